//! Where each content stands in a mailbox: the index answers in contents, a search thinks in
//! places.

use crate::base::id::ContentId;
use crate::store::search::ContentSet;

/// The contents of some messages, each with the place of its message. Copies of a message share
/// their content.
#[derive(Debug)]
pub struct Contents {
    set: ContentSet,
    places: Vec<(ContentId, u32)>,
}

impl Contents {
    /// Of messages in their order.
    pub fn of(contents: impl Iterator<Item = ContentId>) -> Self {
        let mut places: Vec<_> = contents.zip(0..).collect();
        // Nearly sorted already: contents are numbered as they come.
        places.sort_unstable();
        Self { set: places.iter().map(|(content, _)| *content).collect(), places }
    }

    /// Places of the messages whose content is in `set`, which is about a whole account.
    pub fn inside(&self, set: &ContentSet, place: impl FnMut(u32)) {
        self.each(&self.set.common(set), place);
    }

    /// Places of the messages whose content is not in `set`.
    pub fn outside(&self, set: &ContentSet, place: impl FnMut(u32)) {
        self.each(&self.set.without(set), place);
    }

    /// `some` are contents that are here.
    fn each(&self, some: &ContentSet, mut place: impl FnMut(u32)) {
        let mut rest = &self.places[..];
        for content in some.iter() {
            // Near by where many are asked for, anywhere where few are.
            let near = rest.iter().take(8).position(|(here, _)| *here >= content);
            let at = near.unwrap_or_else(|| rest.partition_point(|(here, _)| *here < content));
            rest = rest.get(at..).unwrap_or_default();
            let same = rest.iter().take_while(|(here, _)| *here == content);
            same.for_each(|(_, at)| place(*at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_contents_and_of_their_copies() {
        let here = [5, 7, 6, 7, 90, 1_000].map(ContentId);
        let contents = Contents::of(here.into_iter());
        let set = |ids: &[u64]| ids.iter().copied().map(ContentId).collect::<ContentSet>();
        let inside = |ids: &[u64]| {
            let mut places = Vec::new();
            contents.inside(&set(ids), |at| places.push(at));
            places.sort_unstable();
            places
        };
        assert_eq!(inside(&[7, 1_000, 4, 8]), [1, 3, 5]);
        assert!(inside(&[]).is_empty());
        let mut outside = Vec::new();
        contents.outside(&set(&[5, 6, 7]), |at| outside.push(at));
        assert_eq!(outside, [4, 5]);
        let many = Contents::of((1..5_000).map(ContentId));
        let mut found = Vec::new();
        many.inside(&(1..5_000).step_by(7).map(ContentId).collect(), |at| found.push(at));
        assert_eq!(found, (0..4_999).step_by(7).collect::<Vec<u32>>());
    }
}
