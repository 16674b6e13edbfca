//! What `kontor device` and `kontor policy` ask.

use super::cli::{Access, AccessArg, Device, ExceptionArg, Named, Policy, What, YesNo};
use super::control::{AccessWord, DeviceName, DeviceRequest, Failure, PolicyRequest, Request};

/// The request of a `kontor device`, and whether JSON is wanted.
pub fn device(command: Device) -> (Request, bool) {
    use DeviceRequest as R;
    let (request, json) = match command {
        Device::List { email, listing } => (R::List { email }, listing.json),
        Device::Show { device, listing } => (R::Show { device: name(device) }, listing.json),
        Device::Approve(device) => (R::Approve { device: name(device) }, false),
        Device::Block(device) => (R::Block { device: name(device) }, false),
        Device::Wipe { device, account_only } => {
            (R::Wipe { device: name(device), account_only }, false)
        }
        Device::CancelWipe(device) => (R::CancelWipe { device: name(device) }, false),
        Device::Resync(device) => (R::Resync { device: name(device) }, false),
        Device::Remove(device) => (R::Remove { device: name(device) }, false),
        Device::Log { device, on: true, bodies, .. } => {
            (R::LogOn { device: name(device), bodies }, false)
        }
        Device::Log { device, off: true, .. } => (R::LogOff { device: name(device) }, false),
        Device::Log { device, listing, .. } => (R::LogShow { device: name(device) }, listing.json),
    };
    (Request::Device(request), json)
}

fn name(named: Named) -> DeviceName {
    DeviceName { id: named.id, user: named.user }
}

/// The request of a `kontor policy`, and whether JSON is wanted.
pub fn policy(command: Policy) -> Result<(Request, bool), Failure> {
    use PolicyRequest as R;
    let (request, json) = match command {
        Policy::List(listing) => (R::List, listing.json),
        Policy::Show { name, listing } => (R::Show { name }, listing.json),
        Policy::Set { name, settings, allow_partial, allow_non_provisionable } => {
            let yes = |word: YesNo| word == YesNo::Yes;
            let settings: Result<_, _> = settings.iter().map(|text| setting(text)).collect();
            let request = R::Set {
                name,
                settings: settings?,
                allow_partial: allow_partial.map(yes),
                allow_non_provisionable: allow_non_provisionable.map(yes),
            };
            (request, false)
        }
        Policy::Remove { name } => (R::Remove { name }, false),
        Policy::Assign { name, emails } => (R::Assign { name: Some(name), emails }, false),
        Policy::Unassign { emails } => (R::Assign { name: None, emails }, false),
        Policy::Access(access) => access_request(access),
    };
    Ok((Request::Policy(request), json))
}

fn setting(text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    parts.ok_or_else(|| Failure(format!("\"{text}\" is not of the form NAME=VALUE")))
}

fn access_request(command: Access) -> (PolicyRequest, bool) {
    use PolicyRequest as R;
    let request = match command {
        Access::Show(listing) => return (R::Access, listing.json),
        Access::Default { access } => R::AccessDefault { access: word(access) },
        Access::Rule { what, pattern, access } => {
            let what = match what {
                What::Type => "type",
                What::Model => "model",
                What::Os => "os",
                What::UserAgent => "user-agent",
            };
            R::AddRule { what: what.into(), pattern, access: word(access) }
        }
        Access::RemoveRule { number } => R::RemoveRule { number },
        Access::Exception { email, device, access } => {
            let access = match access {
                ExceptionArg::Allow => Some(AccessWord::Allow),
                ExceptionArg::Quarantine => Some(AccessWord::Quarantine),
                ExceptionArg::Block => Some(AccessWord::Block),
                ExceptionArg::None => None,
            };
            R::Exception { email, device, access }
        }
        Access::MaxDevices { number } => R::MaxDevices { number },
    };
    (request, false)
}

fn word(access: AccessArg) -> AccessWord {
    match access {
        AccessArg::Allow => AccessWord::Allow,
        AccessArg::Quarantine => AccessWord::Quarantine,
        AccessArg::Block => AccessWord::Block,
    }
}
