//! Sets of contents.

use roaring::RoaringTreemap;

use crate::base::id::ContentId;

/// A set of contents, some two bytes for each.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ContentSet(RoaringTreemap);

impl ContentSet {
    pub fn insert(&mut self, content: ContentId) -> bool {
        self.0.insert(content.0)
    }

    pub fn contains(&self, content: ContentId) -> bool {
        self.0.contains(content.0)
    }

    pub fn len(&self) -> u64 {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn union(&mut self, other: &ContentSet) {
        self.0 |= &other.0;
    }

    pub fn intersect(&mut self, other: &ContentSet) {
        self.0 &= &other.0;
    }

    pub fn subtract(&mut self, other: &ContentSet) {
        self.0 -= &other.0;
    }

    /// Those that are in both sets.
    pub fn common(&self, other: &ContentSet) -> ContentSet {
        ContentSet(&self.0 & &other.0)
    }

    /// Those that the other set does not have.
    pub fn without(&self, other: &ContentSet) -> ContentSet {
        ContentSet(&self.0 - &other.0)
    }

    /// In rising order.
    pub fn iter(&self) -> impl Iterator<Item = ContentId> {
        self.0.iter().map(ContentId)
    }
}

impl FromIterator<ContentId> for ContentSet {
    fn from_iter<I: IntoIterator<Item = ContentId>>(contents: I) -> Self {
        Self(contents.into_iter().map(|content| content.0).collect())
    }
}

impl Extend<ContentId> for ContentSet {
    fn extend<I: IntoIterator<Item = ContentId>>(&mut self, contents: I) {
        self.0.extend(contents.into_iter().map(|content| content.0));
    }
}
