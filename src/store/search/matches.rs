//! What a search of the index says about contents.

use std::sync::Arc;

use super::content_set::ContentSet;
use crate::base::id::ContentId;

/// What the index says about one content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The needle is there.
    Yes,
    /// The needle is not there.
    No,
    /// The text must be read and compared: the index only narrows here, or does not hold it.
    Maybe,
}

/// The hits of one needle in one account.
#[derive(Clone, Debug)]
pub struct Matches {
    pub(super) sure: ContentSet,
    pub(super) possible: ContentSet,
    /// What the index holds; of other contents it knows nothing.
    covered: Arc<ContentSet>,
    everything: bool,
}

impl Matches {
    pub(super) fn new(covered: Arc<ContentSet>) -> Self {
        Self {
            sure: ContentSet::default(),
            possible: ContentSet::default(),
            covered,
            everything: false,
        }
    }

    /// For the empty needle, which is in every text.
    pub(super) fn everything() -> Self {
        Self { everything: true, ..Self::new(Arc::default()) }
    }

    pub fn verdict(&self, content: ContentId) -> Verdict {
        if self.everything || self.sure.contains(content) {
            Verdict::Yes
        } else if self.possible.contains(content) || !self.covered.contains(content) {
            Verdict::Maybe
        } else {
            Verdict::No
        }
    }

    /// What the index held when it was asked; everything else must be read. `None` where that
    /// does not matter: the needle is in every text.
    pub fn covered(&self) -> Option<&ContentSet> {
        (!self.everything).then_some(&*self.covered)
    }

    /// Contents that have the needle, for certain. Among them may be some that the account no
    /// longer holds.
    pub fn sure(&self) -> &ContentSet {
        &self.sure
    }

    /// Contents of the index that may have the needle and must be read; none of [`Self::sure`].
    pub fn possible(&self) -> &ContentSet {
        &self.possible
    }
}
