//! Provision: a phone takes up a policy, or is told to erase itself (MS-ASPROV 3.2.5.1).
//!
//! Where nothing is demanded no phone is sent here; one that comes by itself gets a policy that
//! demands nothing, and a key.

use crate::domain::device::provision::{self, Acknowledged, Obeyed};
use crate::domain::device::{Wipe, WipeKind, wipe};
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::eas::{device_information, policy_document};
use crate::format::wbxml::tags::{provision as p, settings};
use crate::format::wbxml::{Element, Writer};

/// The two forms of a policy (MS-ASPROV 2.2.2.43).
const WBXML: &str = "MS-EAS-Provisioning-WBXML";
const XML: &str = "MS-WAP-Provisioning-XML";

/// Statuses of a policy (MS-ASPROV 2.2.2.54.1).
const SUCCESS: u16 = 1;
const UNKNOWN_TYPE: u16 = 3;
const WRONG_KEY: u16 = 5;
/// Status of the command: the request has an error.
const PROTOCOL_ERROR: u16 = 2;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let root = session.element()?.unwrap_or_else(|| Element::new(p::PROVISION));
    let told = root.child(p::REMOTE_WIPE).or_else(|| root.child(p::ACCOUNT_ONLY_REMOTE_WIPE));
    if let Some(told) = told {
        return wiped(&session, told).await;
    }
    if let Some(kind) = session.device.wipe.pending() {
        return order_wipe(&session, kind).await;
    }
    let facts = device_information::find(&root);
    let informed = facts.is_some();
    if let Some(facts) = facts {
        device_information::keep(&session, facts).await?;
    }
    let policy = root.child(p::POLICIES).and_then(|policies| policies.child(p::POLICY));
    let mut out = Writer::new();
    out.open(p::PROVISION);
    if informed {
        out.open(settings::DEVICE_INFORMATION);
        out.number(settings::STATUS, SUCCESS);
        out.close();
    }
    out.number(p::STATUS, SUCCESS);
    if let Some(policy) = policy {
        out.open(p::POLICIES);
        out.open(p::POLICY);
        answer(&mut out, &session, policy, informed).await?;
        out.close();
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// Answers for the policy: the first phase, or the second.
async fn answer(
    out: &mut Writer,
    session: &Session,
    policy: &Element,
    informed: bool,
) -> Result<(), Failure> {
    let form = policy.text_of(p::POLICY_TYPE).unwrap_or_default();
    out.text(p::POLICY_TYPE, form);
    let xml = match form {
        WBXML => false,
        XML => true,
        _ => {
            out.number(p::STATUS, UNKNOWN_TYPE);
            return Ok(());
        }
    };
    let (account, id) = (session.account.id, session.device.id.clone());
    if let Some(status) = policy.text_of(p::STATUS) {
        let obeyed = match status.trim() {
            "1" => Obeyed::All,
            "2" => Obeyed::Partly,
            "3" => Obeyed::Not,
            "4" => Obeyed::Elsewhere,
            _ => return Err(Failure::Status(PROTOCOL_ERROR)),
        };
        let key = policy.parse_of::<u32>(p::POLICY_KEY).or(session.policy_key).unwrap_or(0);
        let done =
            session.write(move |tx| provision::acknowledge(tx, account, &id, key, obeyed)).await?;
        return acknowledged(out, done);
    }
    // From 14.1 on it says who it is (MS-ASPROV 2.2.2.53); Windows Phone 8.1 may have said it in
    // Settings before.
    if session.version >= Version::V14_1 && !informed && session.device.facts.is_empty() {
        return Err(Failure::Common(common::DEVICE_INFORMATION_REQUIRED));
    }
    let offer = session.write(move |tx| provision::offer(tx, account, &id)).await?;
    out.number(p::STATUS, SUCCESS);
    out.number(p::POLICY_KEY, offer.key);
    match xml {
        true => out.text(p::DATA, &policy_document::xml(&offer.policy)),
        false => {
            out.open(p::DATA);
            policy_document::write(out, &offer.policy, session.version);
            out.close();
        }
    }
    Ok(())
}

fn acknowledged(out: &mut Writer, done: Acknowledged) -> Result<(), Failure> {
    match done {
        Acknowledged::Key(key) => {
            out.number(p::STATUS, SUCCESS);
            out.number(p::POLICY_KEY, key);
        }
        Acknowledged::WrongKey => out.number(p::STATUS, WRONG_KEY),
        Acknowledged::TooLittle => {
            return Err(Failure::Common(common::NOT_FULLY_PROVISIONABLE));
        }
        Acknowledged::ManagedElsewhere => return Err(Failure::Common(common::EXTERNALLY_MANAGED)),
    }
    Ok(())
}

/// Tells the phone to erase itself (MS-ASPROV 3.2.5.1.1).
async fn order_wipe(session: &Session, kind: WipeKind) -> Result<Answer, Failure> {
    let (account, id) = (session.account.id, session.device.id.clone());
    let device = session.write(move |tx| wipe::sent(tx, account, &id)).await?;
    // Taken back a moment ago?
    let ordered = device.wipe.pending() == Some(kind);
    let mut out = Writer::new();
    out.open(p::PROVISION);
    out.number(p::STATUS, SUCCESS);
    if ordered {
        out.empty(match kind {
            WipeKind::Device => p::REMOTE_WIPE,
            WipeKind::Account => p::ACCOUNT_ONLY_REMOTE_WIPE,
        });
        tracing::warn!(
            account = session.account.address,
            device = session.device.id,
            kind = kind.name(),
            "a phone was told to erase itself"
        );
    }
    out.close();
    Ok(out.into())
}

/// The phone says what came of it.
async fn wiped(session: &Session, told: &Element) -> Result<Answer, Failure> {
    let done = told.text_of(p::STATUS).map(str::trim) == Some("1");
    // Only of a phone that was told: others have nothing to acknowledge.
    if matches!(session.device.wipe, Wipe::Requested { .. } | Wipe::Sent { .. }) {
        let (account, id) = (session.account.id, session.device.id.clone());
        session.write(move |tx| wipe::acknowledged(tx, account, &id, done)).await?;
        tracing::warn!(
            account = session.account.address,
            device = session.device.id,
            done,
            "a phone has answered to being wiped"
        );
    }
    let mut out = Writer::new();
    out.open(p::PROVISION);
    out.number(p::STATUS, SUCCESS);
    out.close();
    Ok(out.into())
}
