//! Opening the data directory, for the server and for commands without one.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::control::Failure;
use super::execute::Context;
use crate::domain::{self, collection, server};
use crate::store::{self, Options, Store};

/// The data directory when none is named.
const DEFAULT: &str = "data";

/// The directory to use.
pub fn directory(named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(|| DEFAULT.into())
}

/// Why the data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Domain(#[from] domain::Error),
    #[error("cannot use the data directory {0}: {1}")]
    Directory(PathBuf, io::Error),
    #[error("a restore to {0} was cut off; empty the directory and restore again")]
    HalfRestored(PathBuf),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Domain(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}

/// Opens the store, and makes the directory if it is missing: for its owner alone, since mail
/// and keys lie in it.
pub fn context(dir: &Path, config: &Config) -> Result<Context, Error> {
    prepare(dir).map_err(|error| Error::Directory(dir.into(), error))?;
    if dir.join(super::backup::UNFINISHED).exists() {
        return Err(Error::HalfRestored(dir.into()));
    }
    let store = Store::open(dir, &Options::default())?;
    collection::complete(&store)?;
    Ok(Context { store, limits: Arc::new(config.limits.clone()) })
}

fn prepare(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    Ok(())
}

/// The name that the server calls itself: the setting, what `kontor init` was given, or the
/// machine's.
pub fn hostname(config: &Config, store: &Store) -> Result<String, Failure> {
    if let Some(name) = &config.hostname {
        return Ok(name.clone());
    }
    if let Some(name) = server::hostname(&store.read())? {
        return Ok(name);
    }
    let machine = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let usable = crate::base::address::normalise_domain(&machine);
    Ok(usable.unwrap_or_else(|_| "localhost".into()))
}
