//! What a policy bounds at the server, whatever a phone does about it.

use super::*;
use crate::domain::policy::{self, Change, Whom};
use wbxml::tags::{air_sync_base as b, item_operations as io};

impl Office {
    /// Makes a policy for everybody, which phones need not confirm.
    fn set_policy(&self, settings: &[(&str, &str)]) {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let change = Change {
            settings: settings.collect(),
            allow_partial: Some(true),
            allow_unprovisionable: Some(true),
        };
        self.write(move |tx| {
            policy::set(tx, "field", &change)?;
            policy::assign(tx, Whom::All, Some("field"))
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_beyond_the_widest_age_leaves_the_phone() {
    let office = Office::new();
    for age in [0, 2, 5, 20, 90] {
        office.deliver("mail", age);
    }
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 10, 0).await;
    assert_eq!(phone.ids("1").len(), 5);
    office.set_policy(&[("MaxEmailAgeFilter", "3")]);
    // It still asks for all of it.
    phone.settle("1", 10, 0).await;
    assert_eq!(phone.ids("1").len(), 3, "a week");
    phone.settle("1", 10, 1).await;
    assert_eq!(phone.ids("1").len(), 1, "less may be asked for");
    office.set_policy(&[("MaxEmailAgeFilter", "default")]);
    phone.settle("1", 10, 0).await;
    assert_eq!(phone.ids("1").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_refused_by_size_and_altogether() {
    let office = Office::new();
    let raw = "Subject: s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\ntext\r\n\
               --m\r\nContent-Type: application/pdf; name=a.pdf\r\n\
               Content-Disposition: attachment\r\n\r\n0123456789\r\n--m--\r\n";
    let inbox = office.inbox;
    office.write(move |tx| {
        let stored = message::store_content(tx, Prepared::new(b"", Bytes::from(raw)))?;
        message::add(tx, inbox, &stored, &FlagNames::default(), None)
    });
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 10, 0).await;
    let list = phone.folders["1"].items["1:1"].child(b::ATTACHMENTS).unwrap();
    let reference = list.children[0].text_of(b::FILE_REFERENCE).unwrap().to_owned();
    let fetch = async || {
        let fetch = vec![text(io::STORE, "Mailbox"), text(b::FILE_REFERENCE, &reference)];
        let request = tree(io::ITEM_OPERATIONS, vec![tree(io::FETCH, fetch)]);
        let answer = phone.call(Command::ItemOperations, Some(&request)).await.unwrap().unwrap();
        let fetched = answer.child(io::RESPONSE).unwrap().child(io::FETCH).unwrap().clone();
        fetched.text_of(io::STATUS).unwrap().to_owned()
    };
    assert_eq!(fetch().await, "1");
    for (settings, status) in [
        ([("MaxAttachmentSize", "9"), ("AttachmentsEnabled", "1")], "11"),
        ([("MaxAttachmentSize", "10"), ("AttachmentsEnabled", "1")], "1"),
        ([("MaxAttachmentSize", "10"), ("AttachmentsEnabled", "0")], "16"),
    ] {
        office.set_policy(&settings);
        assert_eq!(fetch().await, status, "{settings:?}");
    }
}
