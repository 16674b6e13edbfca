//! A set of UIDs (or other `u32` numbers) as sorted, disjoint, inclusive ranges.
//!
//! Mail arrives and is changed in runs, so a set of 20,000 UIDs is usually one range; all
//! operations cost what the ranges cost, not what the members do.

use std::fmt;

use crate::base::id::Uid;

/// A set of numbers, kept as ranges. `Display` writes it as an IMAP sequence-set
/// (RFC 9051 §9): `1:4,7`.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The inclusive range, in either order (RFC 9051: `4:2` is `2:4`).
    pub fn range(a: u32, b: u32) -> Self {
        Self { ranges: vec![(a.min(b), a.max(b))] }
    }

    /// Everything there is.
    pub fn all() -> Self {
        Self::range(1, u32::MAX)
    }

    /// The ranges, ascending, disjoint and not adjacent.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(a, b)| u64::from(b - a) + 1).sum()
    }

    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|r| r.0)
    }

    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|r| r.1)
    }

    pub fn contains(&self, n: u32) -> bool {
        let at = self.ranges.partition_point(|r| r.1 < n);
        self.ranges.get(at).is_some_and(|r| r.0 <= n)
    }

    /// Adds one number; constant time when it is the greatest so far.
    pub fn insert(&mut self, n: u32) {
        self.insert_range(n, n);
    }

    /// Adds an inclusive range.
    pub fn insert_range(&mut self, a: u32, b: u32) {
        let (a, b) = (a.min(b), a.max(b));
        if let Some(last) = self.ranges.last_mut() {
            if a > last.1.saturating_add(1) {
                self.ranges.push((a, b));
                return;
            }
            if a >= last.0 {
                last.1 = last.1.max(b);
                return;
            }
        } else {
            self.ranges.push((a, b));
            return;
        }
        // The ranges that touch a..=b become one.
        let from = self.ranges.partition_point(|r| r.1.saturating_add(1) < a);
        let to = self.ranges.partition_point(|r| r.0 <= b.saturating_add(1));
        let merged = self.ranges[from..to].iter().fold((a, b), |m, r| (m.0.min(r.0), m.1.max(r.1)));
        self.ranges.splice(from..to, [merged]);
    }

    /// Removes one number.
    pub fn remove(&mut self, n: u32) {
        let at = self.ranges.partition_point(|r| r.1 < n);
        let Some(&(a, b)) = self.ranges.get(at).filter(|r| r.0 <= n) else { return };
        match (a == n, b == n) {
            (true, true) => drop(self.ranges.remove(at)),
            (true, false) => self.ranges[at].0 = n + 1,
            (false, true) => self.ranges[at].1 = n - 1,
            (false, false) => drop(self.ranges.splice(at..=at, [(a, n - 1), (n + 1, b)])),
        }
    }

    /// The numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(a, b)| a..=b)
    }

    /// The numbers as UIDs.
    pub fn uids(&self) -> impl Iterator<Item = Uid> + '_ {
        self.iter().map(Uid)
    }

    /// Adds every number of `other`.
    pub fn union_with(&mut self, other: &UidSet) {
        if self.is_empty() {
            self.ranges.clone_from(&other.ranges);
        } else {
            let mut all = Vec::with_capacity(self.ranges.len() + other.ranges.len());
            let (mut a, mut b) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
            loop {
                let next = match (a.peek(), b.peek()) {
                    (Some(x), Some(y)) if x.0 <= y.0 => a.next(),
                    (_, Some(_)) => b.next(),
                    (Some(_), None) => a.next(),
                    (None, None) => break,
                };
                all.extend(next);
            }
            *self = all.into_iter().collect_ranges();
        }
    }

    /// What is in both.
    pub fn intersect(&self, other: &UidSet) -> UidSet {
        let (mut i, mut j) = (0, 0);
        let mut out = Vec::new();
        while let (Some(&(a, b)), Some(&(c, d))) = (self.ranges.get(i), other.ranges.get(j)) {
            if a.max(c) <= b.min(d) {
                out.push((a.max(c), b.min(d)));
            }
            if b < d { i += 1 } else { j += 1 }
        }
        UidSet { ranges: out }
    }

    /// What is here and not in `other`.
    pub fn subtract(&self, other: &UidSet) -> UidSet {
        let mut out = Vec::with_capacity(self.ranges.len());
        let mut cuts = other.ranges.iter().peekable();
        for &(mut a, b) in &self.ranges {
            while cuts.next_if(|cut| cut.1 < a).is_some() {}
            let mut gone = false;
            let mut ahead = cuts.clone();
            while let Some(&&(c, d)) = ahead.peek().filter(|cut| cut.0 <= b) {
                if c > a {
                    out.push((a, c - 1));
                }
                if d >= b {
                    gone = true;
                    break;
                }
                a = d + 1;
                ahead.next();
            }
            if !gone {
                out.push((a, b));
            }
            cuts = ahead;
        }
        UidSet { ranges: out }
    }
}

trait CollectRanges {
    fn collect_ranges(self) -> UidSet;
}

impl<I: Iterator<Item = (u32, u32)>> CollectRanges for I {
    fn collect_ranges(self) -> UidSet {
        let mut set = UidSet::new();
        self.for_each(|(a, b)| set.insert_range(a, b));
        set
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        numbers.into_iter().map(|n| (n, n)).collect_ranges()
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<T: IntoIterator<Item = Uid>>(uids: T) -> Self {
        uids.into_iter().map(|uid| (uid.0, uid.0)).collect_ranges()
    }
}

impl FromIterator<(u32, u32)> for UidSet {
    fn from_iter<T: IntoIterator<Item = (u32, u32)>>(ranges: T) -> Self {
        ranges.into_iter().collect_ranges()
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &(a, b)) in self.ranges.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match a == b {
                true => write!(f, "{comma}{a}")?,
                false => write!(f, "{comma}{a}:{b}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn both() -> impl Strategy<Value = (UidSet, BTreeSet<u32>)> {
        proptest::collection::vec((0u32..60, 0u32..6), 0..12).prop_map(|ranges| {
            let (mut set, mut model) = (UidSet::new(), BTreeSet::new());
            for (a, len) in ranges {
                set.insert_range(a, a + len);
                model.extend(a..=a + len);
            }
            (set, model)
        })
    }

    fn same(set: &UidSet, model: &BTreeSet<u32>) {
        assert!(set.iter().eq(model.iter().copied()), "{set:?} {model:?}");
        assert_eq!(set.len(), model.len() as u64);
        assert!(set.ranges().windows(2).all(|w| w[0].1 + 1 < w[1].0), "{set:?}");
    }

    proptest! {
        #[test]
        fn behaves_as_a_set((a, ma) in both(), (b, mb) in both(), n in 0u32..70) {
            same(&a, &ma);
            prop_assert_eq!(a.contains(n), ma.contains(&n));
            same(&a.intersect(&b), &ma.intersection(&mb).copied().collect());
            same(&a.subtract(&b), &ma.difference(&mb).copied().collect());
            let mut union = a.clone();
            union.union_with(&b);
            same(&union, &ma.union(&mb).copied().collect());
            let (mut less, mut model) = (a, ma);
            less.remove(n);
            model.remove(&n);
            same(&less, &model);
        }
    }

    #[test]
    fn is_written_as_a_sequence_set() {
        let set: UidSet = [1u32, 2, 3, 7, 9, 10].into_iter().collect();
        assert_eq!(set.to_string(), "1:3,7,9:10");
        assert_eq!(UidSet::range(u32::MAX, 1).to_string(), "1:4294967295");
    }
}
