//! What the server knows of itself.

use bytes::Bytes;

use crate::base::address::normalise_domain;
use crate::domain::{Error, Result};
use crate::store::keys;
use crate::store::{Read, Tx};

/// The server's own name in the DNS, once it is set up.
pub fn hostname(read: &impl Read) -> Result<Option<String>> {
    let value = read.get(&keys::meta("hostname"))?;
    Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

/// Names the server.
pub fn set_hostname(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let name = normalise_domain(name).map_err(|_| {
        Error::Invalid(format!(
            "\"{name}\" is not a valid hostname; it is the server's name in the DNS, such as \
             mail.office.example"
        ))
    })?;
    tx.put(keys::meta("hostname"), Bytes::from(name));
    Ok(())
}
