//! Answers that stand side by side: of the states of a device's view, which are kept when one
//! more is made.
//!
//! Answers get lost, and a device's older request may still be on its way through the server
//! when it asks again. So an answer never overwrites another: the state that a device asked from
//! stays, with those that were made from it, each under a key of its own, until the device shows
//! by its next request which of them it holds.

/// Answers to one key that are kept.
const KEPT: usize = 4;

/// The place of one more answer among the states that there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The new answer's key. None is given twice.
    pub key: u64,
    /// The keys of what goes.
    pub gone: Vec<u64>,
    /// The keys of what else the device may hold, if the new answer is lost.
    pub beside: Vec<u64>,
}

/// Finds the place of an answer to `from` among states whose keys are in order. `answered` says
/// whether there is an answer to `from` already.
pub fn place(keys: &[u64], from: u64, answered: bool) -> Place {
    let key = next_key(keys, from);
    // Whoever asks from a key holds that and nothing else, so with the first answer to it
    // everything else goes. What came later is an answer to it too, or another beginning.
    let others = keys.iter().copied().filter(|key| *key != from);
    let (mut beside, mut gone): (Vec<_>, Vec<_>) = others.partition(|key| answered && *key > from);
    let spare = (beside.len() + 1).saturating_sub(KEPT);
    gone.extend(beside.drain(..spare));
    Place { key, gone, beside }
}

/// The key behind all that there are.
pub fn next_key(keys: &[u64], from: u64) -> u64 {
    keys.last().map_or(from, |newest| from.max(*newest)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_device_may_hold_stays_beside_a_new_answer_and_nothing_else() {
        let place = |keys: &[u64], from, answered| {
            let place = place(keys, from, answered);
            (place.key, place.gone, place.beside)
        };
        assert_eq!(place(&[], 10, false), (11, vec![], vec![]));
        // The device goes on from 12: it does not hold 11, nor 10 any more.
        assert_eq!(place(&[10, 11, 12], 12, false), (13, vec![10, 11], vec![]));
        // It asks once more from 12, and may hold either answer.
        assert_eq!(place(&[12, 13], 12, true), (14, vec![], vec![13]));
        // It never stops: the oldest answers go.
        assert_eq!(place(&[12, 13, 14, 15, 16], 12, true), (17, vec![13], vec![14, 15, 16]));
        // An old request comes through behind a new beginning, which it does not take away.
        assert_eq!(place(&[12, 13, 1 << 20], 12, true), ((1 << 20) + 1, vec![], vec![13, 1 << 20]));
        // But the device that goes on from there has not begun anew.
        assert_eq!(place(&[12, 13, 1 << 20], 13, false).1, [12, 1 << 20]);
    }
}
