//! Opening the data directory, for the server and for commands without one.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::control::Failure;
use super::execute::Context;
use crate::domain::server;
use crate::store::{Options, Store};

/// The data directory when none is named.
const DEFAULT: &str = "data";

/// The directory to use.
pub fn directory(named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(|| DEFAULT.into())
}

/// Opens the store, and makes the directory if it is missing: for its owner alone, since mail
/// and keys lie in it.
pub fn context(dir: &Path, config: &Config) -> Result<Context, Failure> {
    if !dir.is_dir() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
            Failure(format!("cannot make the data directory {}: {error}", dir.display()))
        })?;
    }
    if dir.join(super::backup::UNFINISHED).exists() {
        return Err(Failure(format!(
            "a restore to {} was cut off; empty the directory and restore again",
            dir.display()
        )));
    }
    let mode = std::fs::metadata(dir)?.permissions().mode();
    if mode & 0o007 != 0 {
        // Somebody may want this for the group; for everybody it is never right.
        let closed = std::fs::Permissions::from_mode(mode & 0o7770);
        std::fs::set_permissions(dir, closed)?;
    }
    let store = Store::open(dir, &Options::default())?;
    Ok(Context { store, limits: Arc::new(config.limits.clone()) })
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
