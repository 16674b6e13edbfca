//! Sets of a mailbox's messages by their place in it: a bit each, so that conditions on 20,000
//! messages are combined in a microsecond.

/// A set of places `0..len`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    pub fn all(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        bits.trim();
        bits
    }

    /// The places of those items that satisfy the test.
    pub fn of<T>(items: &[T], test: impl Fn(&T) -> bool) -> Self {
        let word = |items: &[T]| {
            items.iter().enumerate().fold(0, |word, (at, item)| word | u64::from(test(item)) << at)
        };
        Self { words: items.chunks(64).map(word).collect(), len: items.len() }
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many places are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn contains(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Adds a place, if it is one.
    pub fn insert(&mut self, at: usize) {
        if at < self.len {
            self.words[at / 64] |= 1 << (at % 64);
        }
    }

    /// Adds `from..to`.
    pub fn insert_range(&mut self, from: usize, to: usize) {
        (from..to.min(self.len)).for_each(|at| self.insert(at));
    }

    pub fn intersect(&mut self, other: &Bits) {
        self.zip(other, |a, b| a & b);
    }

    pub fn union(&mut self, other: &Bits) {
        self.zip(other, |a, b| a | b);
    }

    pub fn subtract(&mut self, other: &Bits) {
        self.zip(other, |a, b| a & !b);
    }

    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.trim();
    }

    /// The places in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut word = word;
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    fn zip(&mut self, other: &Bits, combine: impl Fn(u64, u64) -> u64) {
        let pairs = self.words.iter_mut().zip(&other.words);
        pairs.for_each(|(mine, theirs)| *mine = combine(*mine, *theirs));
    }

    /// The last word has bits only for places that are.
    fn trim(&mut self) {
        if let (Some(last), 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= u64::MAX >> (64 - self.len % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_set(a in prop::collection::vec(any::<bool>(), 0..200), mask in any::<u64>()) {
            let b: Vec<bool> = (0..a.len()).map(|at| mask >> (at % 61) & 1 == 1).collect();
            let (left, right) = (Bits::of(&a, |x| *x), Bits::of(&b, |x| *x));
            let set = |bits: &Bits| bits.iter().collect::<BTreeSet<_>>();
            let (x, y) = (set(&left), set(&right));
            prop_assert_eq!(left.count(), x.len());
            prop_assert!((0..a.len() + 70).all(|at| left.contains(at) == x.contains(&at)));
            let op = |f: fn(&mut Bits, &Bits)| { let mut l = left.clone(); f(&mut l, &right); set(&l) };
            prop_assert_eq!(op(Bits::intersect), &x & &y);
            prop_assert_eq!(op(Bits::union), &x | &y);
            prop_assert_eq!(op(Bits::subtract), &x - &y);
            let mut rest = left.clone();
            rest.invert();
            prop_assert_eq!(set(&rest), &set(&Bits::all(a.len())) - &x);
            let mut some = Bits::none(a.len());
            some.insert_range(3, 90);
            prop_assert_eq!(some.count(), a.len().clamp(3, 90) - 3);
        }
    }
}
