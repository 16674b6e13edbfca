//! The rules about phones, on a store in memory.

use super::*;
use crate::base::address::EmailAddress;
use crate::base::clock::Clock;
use crate::base::id::Uid;
use crate::domain::account::{self, NewAccount};
use crate::domain::device::provision::{Acknowledged, Due, Obeyed};
use crate::domain::mailbox;
use crate::domain::policy::{self, Whom};
use crate::store::Store;
use crate::store::rows::policy::Characteristic;

const NOW: i64 = 1_700_000_000;

struct Office {
    store: Store,
    ada: AccountId,
    ben: AccountId,
}

fn office() -> Office {
    let store = Store::in_memory(Clock::fixed(NOW));
    let new = |address: &str, admin| NewAccount {
        address: EmailAddress::parse_human(address).unwrap(),
        display_name: "Name".into(),
        admin,
        credentials: None,
        quota: None,
    };
    let (ada, ben) = (new("ada@office.example", true), new("ben@office.example", false));
    let (ada, ben) = store
        .write_blocking(move |tx| {
            account::add_domain(tx, "office.example")?;
            Ok::<_, Error>((account::create(tx, &ada)?.id, account::create(tx, &ben)?.id))
        })
        .unwrap();
    Office { store, ada, ben }
}

impl Office {
    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.write_blocking(operation)
    }

    fn arrive(&self, account: AccountId, id: &str) -> Result<Device> {
        self.arrive_as(account, id, |_| {})
    }

    fn arrive_as(
        &self,
        account: AccountId,
        id: &str,
        change: impl FnOnce(&mut Arrival),
    ) -> Result<Device> {
        let mut arrival = Arrival {
            id: id.into(),
            kind: "WP8".into(),
            user_agent: "MSFT-WP/8.10.14219".into(),
            version: "14.1".into(),
            facts: None,
        };
        change(&mut arrival);
        self.run(move |tx| register(tx, account, &arrival))
    }

    fn device(&self, account: AccountId, id: &str) -> Device {
        require(&self.store.read(), account, id).unwrap()
    }

    /// Messages in an inbox.
    fn mails(&self, account: AccountId) -> usize {
        let inbox = mailbox::find(&self.store.read(), account, "INBOX").unwrap();
        self.store.table(inbox.id).unwrap().unwrap().len()
    }

    fn mail(&self, account: AccountId) -> String {
        let read = self.store.read();
        let inbox = mailbox::find(&read, account, "INBOX").unwrap().id;
        let place = read.place(inbox, Uid(1)).unwrap().unwrap();
        let body = read.body_row(place.content).unwrap().unwrap();
        read.with_body(&body.at, |raw| String::from_utf8_lossy(raw).into_owned()).unwrap()
    }

    fn modseq(&self, account: AccountId) -> u64 {
        self.store.read().account_state(account).unwrap().modseq.0
    }

    fn quarantine_by_default(&self) {
        self.run(|tx| {
            access::change(tx, |admission| {
                admission.default = Access::Quarantined;
                Ok(())
            })
        })
        .unwrap();
    }

    /// Rows of what a device was told.
    fn tell(&self, account: AccountId, number: u32) {
        self.run(move |tx| {
            for kind in [Kind::SyncState, Kind::FolderState] {
                tx.put(keys::of_device(kind, account, number), vec![1].into());
            }
            Ok(())
        })
        .unwrap();
    }

    fn told(&self, account: AccountId, number: u32) -> bool {
        let read = self.store.read();
        let row = |kind| read.get(&keys::of_device(kind, account, number)).unwrap();
        row(Kind::SyncState).is_some() || row(Kind::FolderState).is_some()
    }
}

#[test]
fn a_phone_comes_in_where_nothing_speaks_against_it() {
    let office = office();
    let device = office.arrive(office.ben, "ABC").unwrap();
    assert_eq!((device.access, device.reason), (Access::Allowed, Reason::Default));
    assert_eq!(office.mails(office.ada), 0);
    // Twice at once, and in another letter case, it is the same.
    assert_eq!(office.arrive(office.ben, "abc").unwrap(), device);
    assert_eq!(list(&office.store.read(), office.ben).unwrap().len(), 1);
}

#[test]
fn a_phone_that_waits_is_announced_once_with_its_facts() {
    let office = office();
    office.quarantine_by_default();
    let facts = Facts { model: "RM-1045\r\nBcc: x".into(), ..Facts::default() };
    let device = office.arrive_as(office.ben, "ABC", |new| new.facts = Some(facts)).unwrap();
    assert_eq!(device.access, Access::Quarantined);
    assert_eq!((office.mails(office.ada), office.mails(office.ben)), (1, 0));
    let mail = office.mail(office.ada);
    for part in ["To: <ada@office.example>\r\n", "RM-1045Bcc: x\r\n", "ben@office.example", "ABC"] {
        assert!(mail.contains(part), "{part} in {mail}");
    }
    // It tells more of itself, and comes again and again.
    let (ben, facts) = (office.ben, Facts { os: "Windows".into(), ..Facts::default() });
    office.run(move |tx| set_facts(tx, ben, "ABC", facts)).unwrap();
    office
        .run(move |tx| seen(tx, ben, &Arrival { id: "ABC".into(), ..Arrival::default() }))
        .unwrap();
    assert_eq!(office.mails(office.ada), 1);
}

#[test]
fn approval_makes_it_start_over_and_wakes_what_waits() {
    let office = office();
    office.quarantine_by_default();
    let device = office.arrive(office.ben, "ABC").unwrap();
    office.tell(office.ben, device.number);
    let (before, ben) = (office.modseq(office.ben), office.ben);
    office.run(move |tx| access::decide(tx, ben, "abc", Access::Allowed)).unwrap();
    let approved = office.device(office.ben, "ABC");
    assert_eq!((approved.access, approved.reason), (Access::Allowed, Reason::Administrator));
    assert_ne!(approved.epoch, device.epoch);
    assert!(!office.told(office.ben, device.number));
    assert!(office.modseq(office.ben) > before);
    // Another default does not touch what was decided.
    office.quarantine_by_default();
    assert_eq!(office.device(office.ben, "ABC").access, Access::Allowed);
}

#[test]
fn another_default_decides_about_those_that_wait() {
    let office = office();
    office.quarantine_by_default();
    office.arrive(office.ben, "ABC").unwrap();
    let before = office.modseq(office.ben);
    office
        .run(|tx| {
            access::change(tx, |admission| {
                admission.default = Access::Allowed;
                Ok(())
            })
        })
        .unwrap();
    assert_eq!(office.device(office.ben, "ABC").access, Access::Allowed);
    assert!(office.modseq(office.ben) > before);
}

#[test]
fn rules_and_exceptions_are_asked_in_their_order() {
    let office = office();
    let (ada, ben) = (office.ada, office.ben);
    let rule = |characteristic, pattern: &'static str, access| {
        office.run(move |tx| access::add_rule(tx, characteristic, pattern, access)).unwrap()
    };
    let windows = rule(Characteristic::Type, "wp8", Access::Blocked);
    let program = rule(Characteristic::UserAgent, "MSFT-*", Access::Quarantined);
    assert_eq!((windows.number, program.number), (1, 2), "as people count");
    let device = office.arrive(ben, "ABC").unwrap();
    assert_eq!((device.access, device.reason), (Access::Blocked, Reason::Rule(windows.number)));
    assert_eq!(
        office.arrive_as(ben, "X", |new| new.kind = "iPhone".into()).unwrap().access,
        Access::Quarantined
    );

    office.run(move |tx| access::set_exception(tx, ben, None, Some(Access::Allowed))).unwrap();
    assert_eq!(office.device(ben, "ABC").reason, Reason::User);
    assert_eq!(office.device(ben, "X").access, Access::Allowed);
    // One phone of it, before it comes.
    let quarantine = Some(Access::Quarantined);
    office.run(move |tx| access::set_exception(tx, ben, Some("New"), quarantine)).unwrap();
    assert_eq!(office.arrive(ben, "NEW").unwrap().reason, Reason::Device);
    // Nobody else's.
    assert_eq!(office.arrive(ada, "NEW").unwrap().access, Access::Blocked);

    office.run(move |tx| access::set_exception(tx, ben, None, None)).unwrap();
    office.run(move |tx| access::remove_rule(tx, windows.number)).unwrap();
    assert_eq!(office.device(ben, "ABC").access, Access::Quarantined);
    let gone = office.run(move |tx| access::remove_rule(tx, windows.number));
    assert!(matches!(gone, Err(Error::NotFound(_))));
}

#[test]
fn what_a_phone_tells_of_itself_may_decide() {
    let office = office();
    let ben = office.ben;
    office.run(|tx| access::add_rule(tx, Characteristic::Model, "RM-*", Access::Blocked)).unwrap();
    assert_eq!(office.arrive(ben, "ABC").unwrap().access, Access::Allowed);
    let facts = Facts { model: "RM-1045".into(), ..Facts::default() };
    let device = office.run(move |tx| set_facts(tx, ben, "ABC", facts)).unwrap();
    assert_eq!(device.access, Access::Blocked);
}

#[test]
fn there_are_so_many_devices_and_no_more() {
    let office = office();
    office
        .run(|tx| {
            access::change(tx, |admission| {
                admission.max_devices = 2;
                Ok(())
            })
        })
        .unwrap();
    let ben = office.ben;
    for id in ["A", "B"] {
        office.arrive(ben, id).unwrap();
    }
    assert!(matches!(office.arrive(ben, "C"), Err(Error::TooMany(_))));
    office.arrive(office.ada, "C").unwrap();
    // One that was removed leaves its place to another.
    office.run(move |tx| remove(tx, ben, "A")).unwrap();
    office.arrive(ben, "C").unwrap();
}

#[test]
fn a_removed_phone_stays_out_until_it_is_approved() {
    let office = office();
    let ben = office.ben;
    let device = office.arrive(ben, "ABC").unwrap();
    office.tell(ben, device.number);
    let removed = office.run(move |tx| remove(tx, ben, "ABC")).unwrap();
    assert_eq!((removed.access, removed.reason), (Access::Blocked, Reason::Removed));
    assert!(!office.told(ben, device.number));
    assert_eq!(office.arrive(ben, "ABC").unwrap().access, Access::Blocked);
    office.run(move |tx| access::decide(tx, ben, "ABC", Access::Allowed)).unwrap();
    assert_eq!(office.arrive(ben, "ABC").unwrap().access, Access::Allowed);
}

#[test]
fn a_wipe_goes_its_way_and_the_phone_stays_out() {
    let office = office();
    let ben = office.ben;
    office.arrive(ben, "ABC").unwrap();
    let request =
        |kind| office.run(move |tx| wipe::request(tx, ben, "ABC", kind, Wiper::Administrator));
    assert!(matches!(request(WipeKind::Account), Err(Error::Invalid(_))), "it speaks 14.1");
    request(WipeKind::Device).unwrap();
    assert!(office.run(move |tx| access::decide(tx, ben, "ABC", Access::Allowed)).is_err());
    office.run(move |tx| wipe::cancel(tx, ben, "ABC")).unwrap();
    assert_eq!(office.device(ben, "ABC").wipe, Wipe::None);

    request(WipeKind::Device).unwrap();
    office.run(move |tx| wipe::sent(tx, ben, "ABC")).unwrap();
    let sent = Wipe::Sent { kind: WipeKind::Device, at: NOW };
    assert_eq!(office.device(ben, "ABC").wipe, sent);
    let device = office.run(move |tx| wipe::acknowledged(tx, ben, "ABC", true)).unwrap();
    assert_eq!((device.access, device.reason), (Access::Blocked, Reason::Wiped));
    assert!(office.run(move |tx| wipe::cancel(tx, ben, "ABC")).is_err());

    office.run(move |tx| access::decide(tx, ben, "ABC", Access::Allowed)).unwrap();
    let device = office.device(ben, "ABC");
    assert_eq!((device.access, device.wipe), (Access::Allowed, Wipe::None));
}

#[test]
fn people_look_after_their_own_phones_only() {
    let office = office();
    let read = office.store.read();
    require_right(&read, office.ben, office.ben).unwrap();
    require_right(&read, office.ada, office.ben).unwrap();
    assert!(matches!(require_right(&read, office.ben, office.ada), Err(Error::Denied(_))));
}

#[test]
fn a_person_removes_and_wipes_what_can_be() {
    use own::{Act, acts};
    let office = office();
    let (ada, ben) = (office.ada, office.ben);
    let device = office.arrive(ben, "ABC").unwrap();
    let number = device.number;
    let act = |act| office.run(move |tx| own::act(tx, ben, number, act));
    let (erase, erase_account) = (Act::Wipe(WipeKind::Device), Act::Wipe(WipeKind::Account));
    assert_eq!(acts(&device), [Act::Remove, erase]);
    assert!(matches!(act(erase_account), Err(Error::Invalid(_))), "it speaks 14.1");
    let foreign = office.run(move |tx| own::act(tx, ada, number, Act::Remove));
    assert!(matches!(foreign, Err(Error::NotFound(_))), "also for an administrator");

    // Twice is no error. What waits to be erased is not forgotten before.
    act(erase).unwrap();
    assert_eq!(acts(&act(erase).unwrap()), [Act::CancelWipe]);
    assert!(matches!(act(Act::Remove), Err(Error::Invalid(_))));
    act(Act::CancelWipe).unwrap();
    assert_eq!(act(Act::CancelWipe).unwrap().wipe, Wipe::None);

    // An administrator's wipe is not the person's to cancel, nor becomes it by asking again.
    let administrators = Wiper::Administrator;
    let kind = WipeKind::Device;
    act(erase).unwrap();
    office.run(move |tx| wipe::request(tx, ben, "ABC", kind, administrators)).unwrap();
    assert_eq!(acts(&act(erase).unwrap()), []);
    for refused in [Act::CancelWipe, Act::Remove, erase_account] {
        assert!(matches!(act(refused), Err(Error::Invalid(_))), "{refused:?}");
    }
    office.run(move |tx| wipe::cancel(tx, ben, "ABC")).unwrap();

    // Lost is often noticed after it was removed.
    act(Act::Remove).unwrap();
    assert_eq!(acts(&act(Act::Remove).unwrap()), [erase]);
    act(erase).unwrap();
    assert!(matches!(act(Act::Remove), Err(Error::Invalid(_))));
    let wiped = office.run(move |tx| wipe::acknowledged(tx, ben, "ABC", true)).unwrap();
    assert_eq!(acts(&wiped), [Act::Remove]);
    for late in [erase, Act::CancelWipe] {
        assert!(matches!(act(late), Err(Error::Invalid(_))));
    }
    assert_eq!(act(Act::Remove).unwrap().reason, Reason::Removed);

    office.arrive_as(ben, "DEF", |arrival| arrival.version = "16.1".into()).unwrap();
    let modern = office.device(ben, "DEF");
    assert_eq!(acts(&modern), [Act::Remove, erase_account, erase]);
    office.run(move |tx| account::update(tx, ben, |row| row.enabled = false)).unwrap();
    assert!(matches!(act(erase), Err(Error::Denied(_))), "a disabled account");
}

#[test]
fn a_policy_is_taken_up_in_two_phases() {
    let office = office();
    let ben = office.ben;
    office.arrive(ben, "ABC").unwrap();
    let due = |key| {
        let read = office.store.read();
        let admission = access::admission(&read).unwrap();
        provision::due(&admission, ben, &require(&read, ben, "ABC").unwrap(), key)
    };
    let set = |name: &'static str, value: &'static str| {
        let settings = vec![(name.to_owned(), value.to_owned())];
        let change = policy::Change { settings, ..policy::Change::default() };
        office.run(move |tx| policy::set(tx, "field", &change)).unwrap()
    };
    let offer = || {
        let offer = office.run(move |tx| provision::offer(tx, ben, "ABC")).unwrap();
        (offer.key, offer.policy)
    };
    let acknowledge = |key, obeyed| {
        office.run(move |tx| provision::acknowledge(tx, ben, "ABC", key, obeyed)).unwrap()
    };

    assert_eq!(due(None), Due::Nothing);
    // It asks by itself; whether it obeys what demands nothing is the same to everybody.
    assert_eq!(acknowledge(7, Obeyed::All), Acknowledged::WrongKey);
    let (temporary, demanding) = offer();
    assert_eq!(demanding, policy::undemanding());
    let Acknowledged::Key(early) = acknowledge(temporary, Obeyed::Not) else { panic!() };
    for key in [None, Some(0), Some(early), Some(temporary)] {
        assert_eq!(due(key), Due::Nothing, "{key:?}");
    }

    set("DevicePasswordEnabled", "yes");
    assert_eq!(due(None), Due::Nothing, "it is nobody's yet");
    office.run(move |tx| policy::assign(tx, Whom::One(ben), Some("field"))).unwrap();
    assert_eq!((due(None), due(Some(0))), (Due::First, Due::First));
    assert_eq!((due(Some(early)), due(Some(temporary))), (Due::Refresh, Due::First));

    // A policy that comes between the two phases is not what was acknowledged.
    office.run(move |tx| policy::assign(tx, Whom::One(ben), None)).unwrap();
    let (temporary, _) = offer();
    office.run(move |tx| policy::assign(tx, Whom::One(ben), Some("field"))).unwrap();
    let Acknowledged::Key(early) = acknowledge(temporary, Obeyed::All) else { panic!() };
    assert_eq!(due(Some(early)), Due::Refresh);

    let (temporary, offered) = offer();
    assert_eq!(offered.name, "field");
    assert_eq!(due(Some(temporary)), Due::First);
    assert_eq!(acknowledge(temporary + 1, Obeyed::All), Acknowledged::WrongKey);
    assert_eq!(acknowledge(temporary, Obeyed::Partly), Acknowledged::TooLittle);
    let Acknowledged::Key(key) = acknowledge(temporary, Obeyed::All) else { panic!() };
    assert_ne!(key, temporary);
    // The answer was lost, and the phone asks again.
    assert_eq!(acknowledge(temporary, Obeyed::All), Acknowledged::Key(key));
    assert_eq!((due(Some(key)), due(Some(temporary))), (Due::Nothing, Due::BadKey));
    assert_eq!(due(None), Due::First);

    // The policy changes; the same value again is no change.
    set("DevicePasswordEnabled", "1");
    assert_eq!(due(Some(key)), Due::Nothing);
    set("AllowCamera", "no");
    assert_eq!(due(Some(key)), Due::Refresh);
    let (temporary, _) = offer();
    let Acknowledged::Key(key) = acknowledge(temporary, Obeyed::All) else { panic!() };
    assert_eq!(due(Some(key)), Due::Nothing);

    // It goes: the phone takes it back, and then nothing is asked of it any more.
    office.run(|tx| policy::remove(tx, "field")).unwrap();
    assert_eq!(due(Some(key)), Due::Refresh);
    let (temporary, lifted) = offer();
    assert_eq!(lifted, policy::undemanding());
    assert!(matches!(acknowledge(temporary, Obeyed::All), Acknowledged::Key(_)));
    assert_eq!((due(Some(1)), due(None)), (Due::Nothing, Due::Nothing));
}

#[test]
fn phones_that_obey_in_part_or_not_at_all_come_in_where_the_policy_says_so() {
    let office = office();
    let ben = office.ben;
    office.arrive(ben, "ABC").unwrap();
    let allow = |partial, unprovisionable| {
        let change = policy::Change {
            allow_partial: Some(partial),
            allow_unprovisionable: Some(unprovisionable),
            ..policy::Change::default()
        };
        office.run(move |tx| policy::set(tx, "field", &change)).unwrap();
        office.run(move |tx| policy::assign(tx, Whom::All, Some("field"))).unwrap();
    };
    let says = |obeyed| {
        office
            .run(move |tx| {
                let offer = provision::offer(tx, ben, "ABC")?;
                provision::acknowledge(tx, ben, "ABC", offer.key, obeyed)
            })
            .unwrap()
    };
    allow(false, false);
    assert_eq!(says(Obeyed::Not), Acknowledged::TooLittle);
    assert_eq!(says(Obeyed::Elsewhere), Acknowledged::ManagedElsewhere);
    allow(true, false);
    assert!(matches!(says(Obeyed::Partly), Acknowledged::Key(_)));
    assert!(office.device(ben, "ABC").provision.partial);
    assert_eq!(says(Obeyed::Not), Acknowledged::TooLittle);
    allow(true, true);
    assert!(matches!(says(Obeyed::Elsewhere), Acknowledged::Key(_)));

    // One that knows of no policies sends no key at all.
    let (read, other) = (office.store.read(), Device::default());
    let admission = access::admission(&read).unwrap();
    assert_eq!(provision::due(&admission, ben, &other, None), Due::Nothing);
    assert_eq!(provision::due(&admission, ben, &other, Some(0)), Due::First);
}

#[test]
fn one_person_may_be_left_out_of_what_holds_for_all() {
    let office = office();
    let (ada, ben) = (office.ada, office.ben);
    let change = policy::Change::default();
    office.run(move |tx| policy::set(tx, "field", &change)).unwrap();
    office.run(|tx| policy::assign(tx, Whom::All, Some("field"))).unwrap();
    office.run(move |tx| policy::assign(tx, Whom::One(ben), Some(policy::NONE))).unwrap();
    let of = |account| policy::of_account(&office.store.read(), account).unwrap();
    assert!(of(ada).is_some() && of(ben).is_none());
    office.run(move |tx| policy::assign(tx, Whom::One(ben), None)).unwrap();
    assert!(of(ben).is_some());
    let unknown = office.run(|tx| policy::assign(tx, Whom::All, Some("other")));
    assert!(matches!(unknown, Err(Error::NotFound(_))));
}

#[test]
fn a_protocol_log_keeps_the_last_of_it_for_an_hour() {
    let office = office();
    let ben = office.ben;
    let device = office.arrive(ben, "ABC").unwrap();
    assert_eq!(log::is_on(&device, NOW), None);
    let device = office.run(move |tx| log::switch_on(tx, ben, "ABC", false)).unwrap();
    assert!(log::is_on(&device, NOW + log::ON_SECS - 1).is_some());
    assert_eq!(log::is_on(&device, NOW + log::ON_SECS), None);
    let number = device.number;
    office
        .run(move |tx| {
            for at in 0..300 {
                let request = "x".repeat(if at == 299 { 100_000 } else { 10 });
                let entry = log::Entry { at, request, ..log::Entry::default() };
                log::add(tx, ben, number, entry)?;
            }
            Ok(())
        })
        .unwrap();
    let kept = log::entries(&office.store.read(), ben, number).unwrap();
    assert_eq!(kept.len(), 200);
    assert_eq!((kept[0].at, kept[199].at), (100, 299));
    assert!(kept[199].request.len() < 40_000);
    office.run(move |tx| log::switch_off(tx, ben, "ABC")).unwrap();
    assert!(log::entries(&office.store.read(), ben, number).unwrap().is_empty());
}

#[test]
fn an_account_that_goes_takes_everything_about_its_phones_along() {
    let office = office();
    let ben = office.ben;
    let device = office.arrive(ben, "ABC").unwrap();
    office.tell(ben, device.number);
    office.run(move |tx| access::set_exception(tx, ben, None, Some(Access::Blocked))).unwrap();
    let change = policy::Change::default();
    office.run(move |tx| policy::set(tx, "field", &change)).unwrap();
    office.run(move |tx| policy::assign(tx, Whom::One(ben), Some("field"))).unwrap();
    office.run(move |tx| remove_all(tx, ben)).unwrap();
    let read = office.store.read();
    assert!(list(&read, ben).unwrap().is_empty() && !office.told(ben, device.number));
    let admission = access::admission(&read).unwrap();
    assert!(admission.exceptions.is_empty() && admission.assigned.is_empty());
}
