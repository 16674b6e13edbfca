//! Sync for a phone that waits for approval: the one message in the inbox, nothing elsewhere.

use crate::eas::answer::{Answer, Failure};
use crate::eas::quarantine::{COLLECTIONS_MAX, End, common_content, inbox, notice, wait, wait_of};
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::version::{Command, Version};
use crate::format::wbxml::tags::air_sync as a;
use crate::format::wbxml::{Element, Writer};

/// The folders have changed, ask for them: what a key of before the quarantine gets.
const FOLDERS_CHANGED: u16 = 12;
/// The request is not complete (an empty one repeats the last, and none is kept here).
const INCOMPLETE: u16 = 13;
/// For an item that a phone wants to add: it stops to offer it.
const NOT_TAKEN: u16 = 6;
const NOT_FOUND: u16 = 8;

/// A sync key, which is all the state there is: how often this collection was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(u32);

impl Key {
    /// Reads a key of ours, or `0`.
    pub(super) fn read(text: &str) -> Option<Key> {
        match text.strip_prefix('Q') {
            None => (text == "0").then_some(Key(0)),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|number| *number > 0).map(Key)
            }
            Some(_) => None,
        }
    }

    /// Whether the message was sent with it: the first answer has no items.
    pub(super) fn has_notice(self) -> bool {
        self.0 > 1
    }

    fn next(self) -> String {
        // From there on it makes no difference.
        let next = if self.0 >= 1_000_000 { 2 } else { self.0 + 1 };
        format!("Q{next}")
    }
}

pub(super) async fn run(mut session: Box<Session>) -> Result<Answer, Failure> {
    let root = session.element()?.ok_or(Failure::Status(INCOMPLETE))?;
    let collections = root.child(a::COLLECTIONS).ok_or(Failure::Status(INCOMPLETE))?;
    let inbox = inbox(&session)?;
    let mut out = Writer::new();
    out.open(a::SYNC);
    out.open(a::COLLECTIONS);
    let (mut answered, mut any) = (0, false);
    for collection in collections.all(a::COLLECTION).take(COLLECTIONS_MAX) {
        any = true;
        answered += usize::from(answer(&mut out, &session, collection, &inbox)?);
    }
    if !any {
        return Err(Failure::Status(INCOMPLETE));
    }
    out.close();
    out.close();
    if answered > 0 {
        return Ok(out.into());
    }
    let seconds = wait_of(&root);
    drop(root);
    session.forget_body();
    if let Some(seconds) = seconds {
        match wait(&session, Command::Sync, seconds).await? {
            End::Time | End::Next => {}
        }
    }
    Ok(Answer::Empty)
}

/// Answers for one collection, if there is anything to say.
fn answer(
    out: &mut Writer,
    session: &Session,
    collection: &Element,
    inbox: &str,
) -> Result<bool, Failure> {
    let id = collection.text_of(a::COLLECTION_ID).ok_or(common_content())?;
    let key = Key::read(collection.text_of(a::SYNC_KEY).unwrap_or("0"));
    let key = key.ok_or(Failure::Status(FOLDERS_CHANGED))?;
    let changes = collection.child(a::GET_CHANGES).is_none_or(|get| get.text() != "0");
    let notice = key == Key(1) && id == inbox && changes;
    let commands = collection.child(a::COMMANDS).filter(|commands| !commands.children.is_empty());
    // Before 12.1 every collection is answered (MS-ASCMD 2.2.1.21.2).
    let silent = key.0 > 0 && !notice && commands.is_none() && session.version >= Version::V12_1;
    if silent {
        return Ok(false);
    }
    let options = collection.child(a::OPTIONS).map(Options::read).unwrap_or_default();
    out.open(a::COLLECTION);
    if session.version <= Version::V12_1 {
        let class = collection.text_of(a::CLASS).unwrap_or("Email");
        out.text(a::CLASS, class);
    }
    // A message that was not wanted yet must still be new with the next key.
    let next = if key == Key(1) && id == inbox && !notice { "Q1".into() } else { key.next() };
    out.text(a::SYNC_KEY, &next);
    out.text(a::COLLECTION_ID, id);
    out.number(a::STATUS, 1);
    if let Some(commands) = commands {
        responses(out, session, commands, inbox, &options);
    }
    if notice {
        out.open(a::COMMANDS);
        out.open(a::ADD);
        out.text(a::SERVER_ID, &notice::id(inbox));
        out.open(a::APPLICATION_DATA);
        notice::write(out, session, &options);
        out.close();
        out.close();
        out.close();
    }
    out.close();
    Ok(true)
}

/// What the phone changed: that it has read or deleted the message is fine, and nothing new is
/// taken.
fn responses(
    out: &mut Writer,
    session: &Session,
    commands: &Element,
    inbox: &str,
    options: &Options,
) {
    let before = out.mark();
    out.open(a::RESPONSES);
    let mut said = false;
    for command in commands.children.iter().take(COLLECTIONS_MAX) {
        match command.tag {
            a::ADD => {
                out.open(a::ADD);
                out.text(a::CLIENT_ID, command.text_of(a::CLIENT_ID).unwrap_or_default());
                out.number(a::STATUS, NOT_TAKEN);
                out.close();
            }
            a::FETCH => {
                let id = command.text_of(a::SERVER_ID).unwrap_or_default();
                let found = id == notice::id(inbox);
                out.open(a::FETCH);
                out.text(a::SERVER_ID, id);
                out.number(a::STATUS, if found { 1 } else { NOT_FOUND });
                if found {
                    out.open(a::APPLICATION_DATA);
                    notice::write(out, session, options);
                    out.close();
                }
                out.close();
            }
            _ => continue,
        }
        said = true;
    }
    out.close();
    // An empty element makes old phones stumble.
    if !said {
        out.rewind(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted() {
        assert_eq!(Key::read("0"), Some(Key(0)));
        assert_eq!(Key::read("Q1"), Some(Key(1)));
        for bad in ["", "Q", "Q0", "1", "Q-1", "Q+1", "Q99999999999", "{x}1"] {
            assert_eq!(Key::read(bad), None, "{bad}");
        }
        assert!(!Key(1).has_notice() && Key(2).has_notice());
        assert_eq!(Key(1_000_000).next(), "Q2");
    }
}
