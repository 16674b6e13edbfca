//! Phones: who has which, and what is decided about them.

use super::super::control::{
    DeviceDetail, DeviceLine, DeviceName, DeviceRequest, ErrorLine, Failure, FolderLine, LogLine,
    Reply,
};
use super::{account_of, named};
use crate::base::id::AccountId;
use crate::domain;
use crate::domain::device::{
    self, Access, Device, Reason, Wipe, WipeKind, Wiper, access, log, provision, wipe,
};
use crate::store::rows::sync;
use crate::store::{Read, Store};

pub(super) fn run(store: &Store, request: DeviceRequest) -> Result<Reply, Failure> {
    use DeviceRequest as R;
    match request {
        R::List { email } => list(store, email.as_deref()),
        R::Show { device } => show(store, &device),
        R::Approve { device } => decide(store, &device, Access::Allowed),
        R::Block { device } => decide(store, &device, Access::Blocked),
        R::Wipe { device, account_only } => order_wipe(store, &device, account_only),
        R::CancelWipe { device } => change(store, &device, wipe::cancel)
            .map(|device| done(format!("{} will not be wiped.", device.id))),
        R::Resync { device } => change(store, &device, device::resync)
            .map(|device| done(format!("{} loads everything anew.", device.id))),
        R::Remove { device } => remove(store, &device),
        R::LogOn { device, bodies } => {
            change(store, &device, move |tx, account, id| log::switch_on(tx, account, id, bodies))
                .map(|device| {
                    done(format!("What {} asks and is answered is kept for an hour.", device.id))
                })
        }
        R::LogOff { device } => change(store, &device, log::switch_off)
            .map(|device| done(format!("The protocol log of {} is off and gone.", device.id))),
        R::LogShow { device } => show_log(store, &device),
    }
}

fn done(text: String) -> Reply {
    Reply::Done(text)
}

/// Finds the phone that is meant.
fn find(read: &impl Read, name: &DeviceName) -> Result<(AccountId, Device), domain::Error> {
    if let Some(email) = &name.user {
        let account = account_of(read, email)?.id;
        let device = device::require(read, account, &name.id);
        return Ok((account, device.map_err(|error| self::named(error, &name.id))?));
    }
    let mut all = device::all(read)?;
    all.retain(|(_, device)| device.id.eq_ignore_ascii_case(&name.id));
    match all.len() {
        0 => Err(self::named(domain::Error::NotFound("device"), &name.id)),
        1 => Ok(all.remove(0)),
        _ => Err(domain::Error::Invalid(format!(
            "several people have a phone {}; say whose with --user EMAIL",
            name.id
        ))),
    }
}

/// Finds a phone and changes it in one transaction.
fn change(
    store: &Store,
    name: &DeviceName,
    act: impl FnOnce(&mut crate::store::Tx<'_>, AccountId, &str) -> Result<Device, domain::Error>
    + Send
    + 'static,
) -> Result<Device, Failure> {
    let name = name.clone();
    Ok(store.write_blocking(move |tx| {
        let (account, device) = find(tx, &name)?;
        act(tx, account, &device.id)
    })?)
}

fn decide(store: &Store, name: &DeviceName, access: Access) -> Result<Reply, Failure> {
    let device =
        change(store, name, move |tx, account, id| access::decide(tx, account, id, access))?;
    Ok(done(match access {
        Access::Allowed => format!("{} may come in.", device.id),
        Access::Quarantined => format!("{} waits for approval.", device.id),
        Access::Blocked => format!("{} stays out.", device.id),
    }))
}

/// Removes a phone, and says so where that takes a wipe back: whoever lost it believes it erased.
fn remove(store: &Store, name: &DeviceName) -> Result<Reply, Failure> {
    let (_, before) = find(&store.read(), name)?;
    let device = change(store, name, device::remove)?;
    let warning = match before.wipe.pending() {
        Some(_) => format!(
            "\nwarning: it was to be wiped and has not confirmed it; it is not told any more, and \
             keeps what it has. kontor device wipe {} asks for it again.",
            device.id
        ),
        None => String::new(),
    };
    Ok(done(format!("Removed {}; it stays out until it is approved again.{warning}", device.id)))
}

fn order_wipe(store: &Store, name: &DeviceName, account_only: bool) -> Result<Reply, Failure> {
    let kind = if account_only { WipeKind::Account } else { WipeKind::Device };
    let (account, _) = find(&store.read(), name)?;
    let device = change(store, name, move |tx, account, id| {
        wipe::request(tx, account, id, kind, Wiper::Administrator)
    })?;
    let shut = store.read().account(account)?.is_none_or(|account| !account.enabled);
    let warning = match shut {
        true => {
            "\nwarning: its person cannot log in, so the phone does not hear of it until \
                 kontor user enable."
        }
        false => "",
    };
    let what = match kind {
        WipeKind::Account => "erases what it has of this account",
        WipeKind::Device => "erases everything on it, also what is private,",
    };
    Ok(done(format!(
        "{} {what} with its next request. kontor device cancel-wipe takes it back until then.\n\
         It hears of it only while it can log in: leave the person's password until it is done.\
         {warning}",
        device.id
    )))
}

/// A warning where phones of an account are to be wiped and do not hear of it once they cannot
/// log in any more; empty where there are none.
pub(super) fn wipes_at_stake(read: &impl Read, account: AccountId) -> Result<String, Failure> {
    let devices = device::list(read, account)?.into_iter();
    let waiting: Vec<String> =
        devices.filter(|each| each.wipe.pending().is_some()).map(|each| each.id).collect();
    if waiting.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(
        "\nwarning: {} is to be wiped and has not confirmed it; without a log-in that works it is \
         not told, and keeps what it has.",
        waiting.join(", ")
    ))
}

fn list(store: &Store, email: Option<&str>) -> Result<Reply, Failure> {
    let read = store.read();
    let devices: Vec<(AccountId, Device)> = match email {
        None => device::all(&read)?,
        Some(email) => {
            let account = account_of(&read, email)?.id;
            device::list(&read, account)?.into_iter().map(|device| (account, device)).collect()
        }
    };
    let mut lines = Vec::new();
    for (account, device) in devices {
        lines.push(line(&read, account, device)?);
    }
    lines.sort_by(|a, b| (&a.email, &a.name, &a.id).cmp(&(&b.email, &b.name, &b.id)));
    Ok(Reply::Devices(lines))
}

fn line(read: &impl Read, account: AccountId, device: Device) -> Result<DeviceLine, Failure> {
    let facts = device.facts;
    let name = [facts.friendly_name, device.kind].into_iter().find(|name| !name.is_empty());
    Ok(DeviceLine {
        id: device.id,
        email: read.account(account)?.map(|row| row.address).unwrap_or_default(),
        name: name.unwrap_or_default(),
        model: facts.model,
        os: facts.os,
        phone_number: facts.phone_number,
        version: device.version,
        access: device.access.name().into(),
        reason: reason(device.reason),
        wipe: wipe_state(device.wipe),
        first_seen: device.first_seen,
        last_seen: device.last_seen,
        last_error: device.last_error.map(|error| ErrorLine { at: error.at, text: error.text }),
    })
}

fn reason(reason: Reason) -> String {
    match reason {
        Reason::Default => "default".into(),
        Reason::Rule(number) => format!("rule {number}"),
        Reason::User => "exception for the person".into(),
        Reason::Device => "exception for the phone".into(),
        Reason::Administrator => "administrator".into(),
        Reason::Wiped => "wiped".into(),
        Reason::Removed => "removed".into(),
    }
}

fn wipe_state(wipe: Wipe) -> String {
    match wipe {
        Wipe::None => String::new(),
        Wipe::Requested { kind, .. } => format!("requested ({})", kind.name()),
        Wipe::Sent { kind, .. } => format!("sent ({})", kind.name()),
        Wipe::Acknowledged { kind, done: true, .. } => format!("done ({})", kind.name()),
        Wipe::Acknowledged { kind, done: false, .. } => format!("failed ({})", kind.name()),
    }
}

fn show(store: &Store, name: &DeviceName) -> Result<Reply, Failure> {
    let read = store.read();
    let (account, device) = find(&read, name)?;
    let admission = access::admission(&read)?;
    let policy = admission.policy_of(account).map(|head| head.name.clone());
    let key = Some(device.provision.key);
    let detail = DeviceDetail {
        kind: device.kind.clone(),
        user_agent: device.user_agent.clone(),
        imei: device.facts.imei.clone(),
        os_language: device.facts.os_language.clone(),
        mobile_operator: device.facts.mobile_operator.clone(),
        policy,
        acknowledged: device.provision.acknowledged.as_ref().map(|mark| mark.name.clone()),
        policy_is_current: provision::due(&admission, account, &device, key)
            == provision::Due::Nothing,
        obeys_partly: device.provision.partial,
        recovery_password: device.recovery_password.clone(),
        log_until: log::is_on(&device, store.clock().now()).map(|log| log.until),
        folders: folders(&read, account, device.number)?,
        line: line(&read, account, device)?,
    };
    Ok(Reply::Device(Box::new(detail)))
}

/// What a phone was told of each folder, as far as it got.
fn folders(read: &impl Read, account: AccountId, number: u32) -> Result<Vec<FolderLine>, Failure> {
    let mut lines = Vec::new();
    for (id, header) in sync::of_device(read, account, number)? {
        let sets = id.sets(read, &header)?;
        let place = match read.mailbox(id.collection)? {
            Some(row) => Some((row.name, row.modseq)),
            None => read.collection(id.collection)?.map(|row| (row.name, row.modseq)),
        };
        // Of the folders that only phones have, or one that is gone.
        let Some((name, modseq)) = place else { continue };
        lines.push(FolderLine {
            name,
            items: sets.held.len(),
            pending: sets.pending_len(),
            behind: modseq > header.modseq,
            filter: header.filter,
            sync_key: header.key,
        });
    }
    Ok(lines)
}

fn show_log(store: &Store, name: &DeviceName) -> Result<Reply, Failure> {
    let read = store.read();
    let (account, device) = find(&read, name)?;
    let entries = log::entries(&read, account, device.number)?.into_iter();
    let lines = entries.map(|entry| LogLine {
        at: entry.at,
        head: entry.head,
        request: entry.request,
        answer: entry.answer,
        micros: entry.micros,
    });
    Ok(Reply::DeviceLog(lines.collect()))
}
