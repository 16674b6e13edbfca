//! What everybody did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::support::eas::Folder;

#[derive(Default)]
pub struct Ledger {
    next: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Default)]
pub struct Known {
    /// The server said that it has them.
    pub acknowledged: BTreeSet<String>,
    /// Somebody asked for their removal for good.
    pub removed: BTreeSet<String>,
    /// The server said that it has sent them.
    pub sent: BTreeSet<String>,
    /// Folders that the server said it has made, with what lies above each.
    pub made: BTreeMap<String, String>,
    /// Folders of which somebody asked that they go.
    pub doomed: BTreeSet<String>,
    /// What may have come to lie in a folder.
    pub placed: Vec<(String, String)>,
}

impl Ledger {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no panic while held")
    }

    pub fn fresh(&self, letter: &str) -> String {
        format!("{letter}{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// What was acknowledged, by nobody removed, and is not there.
    pub fn missing(
        &self,
        folders: &BTreeMap<String, Folder>,
        there: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut known = self.known();
        let mut lost = Vec::new();
        for id in known.made.keys().filter(|id| !folders.contains_key(*id)) {
            if !known.is_doomed(id) {
                lost.push(format!("folder {id}"));
            }
        }
        // A folder goes with what is in it.
        let placed = std::mem::take(&mut known.placed);
        let (stay, gone): (Vec<_>, Vec<_>) =
            placed.into_iter().partition(|(folder, _)| folders.contains_key(folder));
        known.placed = stay;
        known.removed.extend(gone.into_iter().map(|(_, identity)| identity));
        let missing = known.acknowledged.iter();
        let missing = missing.filter(|id| !known.removed.contains(*id) && !there(id));
        lost.extend(missing.cloned());
        lost
    }
}

impl Known {
    fn is_doomed(&self, id: &str) -> bool {
        let above = self.made.get(id);
        self.doomed.contains(id) || above.is_some_and(|above| above != "0" && self.is_doomed(above))
    }
}
