//! Names in the DNS, asked as this machine is set up to (`/etc/resolv.conf`, `/etc/hosts`).

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData};

/// For one question to one server; there are two tries.
const PATIENCE: Duration = Duration::from_secs(3);

/// The DNS could not be asked, or did not answer. That a name does not exist is no error.
#[derive(Debug, thiserror::Error)]
#[error("the DNS gives no answer: {0}")]
pub struct Error(String);

/// A place that a service record names (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    pub priority: u16,
    pub port: u16,
    /// Without the dot at the end; empty where the record says that there is no such service.
    pub target: String,
}

/// Asks for names.
pub struct Resolver(TokioResolver);

impl Resolver {
    /// As the system is set up.
    pub fn system() -> Result<Self, Error> {
        let mut builder =
            TokioResolver::builder_tokio().map_err(|error| Error(error.to_string()))?;
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (PATIENCE, 2);
        builder.build().map(Self).map_err(|error| Error(error.to_string()))
    }

    /// The addresses of a host, none if there is no such name.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        match self.0.lookup_ip(absolute(host)?).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(Error(error.to_string())),
        }
    }

    /// The places of a service (`_autodiscover._tcp.office.example`), the first to be tried
    /// first; none if there is no such record.
    pub async fn services(&self, name: &str) -> Result<Vec<Service>, Error> {
        let found = match self.0.srv_lookup(absolute(name)?).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(Error(error.to_string())),
        };
        let mut services: Vec<Service> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) => Some(Service {
                    priority: service.priority,
                    port: service.port,
                    target: service.target.to_utf8().trim_end_matches('.').to_owned(),
                }),
                _ => None,
            })
            .collect();
        services.sort();
        Ok(services)
    }
}

/// Never with the search list of this machine behind it: others do not have that.
fn absolute(name: &str) -> Result<Name, Error> {
    let mut name = Name::from_utf8(name).map_err(|error| Error(error.to_string()))?;
    name.set_fqdn(true);
    Ok(name)
}
