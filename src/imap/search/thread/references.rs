//! The REFERENCES algorithm (RFC 5256 §3, after J. Zawinski), without recursion.

use std::collections::HashMap;

use super::Letter;
use super::forest::Forest;

const NONE: u32 = u32::MAX;

/// Steps from a message towards its root that are taken in all to look for loops. Honest mail
/// needs a few for each message; beyond, a link that might make a loop is not made.
const MAX_STEPS: usize = 20_000_000;

/// A message id: the message that has it, if it is there, and the id above it.
#[derive(Clone, Copy)]
struct Container {
    letter: u32,
    parent: u32,
    children: u32,
}

/// The threads of the messages; the steps are numbered as in the RFC.
pub(super) fn build(letters: &[Letter<'_>]) -> Forest {
    let mut linked = Linked::with_room(letters.len());
    for (at, letter) in letters.iter().enumerate() {
        linked.add(at as u32, letter); // step 1
    }
    let mut forest = linked.prune(letters.len()); // steps 2 and 3
    gather_subjects(&mut forest, letters); // steps 4 and 5; `Forest::finish` is 6
    forest
}

struct Linked {
    containers: Vec<Container>,
    by_id: HashMap<u64, u32>,
    steps: usize,
}

impl Linked {
    fn with_room(letters: usize) -> Self {
        let by_id = HashMap::with_capacity(letters);
        Self { containers: Vec::with_capacity(letters), by_id, steps: 0 }
    }

    fn add(&mut self, at: u32, letter: &Letter<'_>) {
        // Of several messages with one id, the later ones stand for themselves.
        let known = (letter.link.id != 0).then(|| self.container(letter.link.id));
        let own = match known {
            Some(own) if self.get(own).letter == NONE => own,
            _ => self.new_container(),
        };
        self.containers[own as usize].letter = at;
        let mut above = NONE;
        for &id in letter.references {
            let next = self.container(id);
            // What was said before, by a message that stood closer, holds.
            if above != NONE && self.get(next).parent == NONE && !self.would_loop(next, above) {
                self.link(next, above);
            }
            above = next;
        }
        if above == NONE || !self.would_loop(own, above) {
            self.unlink(own);
            if above != NONE {
                self.link(own, above);
            }
        }
    }

    fn container(&mut self, id: u64) -> u32 {
        if let Some(known) = self.by_id.get(&id) {
            return *known;
        }
        let new = self.new_container();
        self.by_id.insert(id, new);
        new
    }

    fn new_container(&mut self) -> u32 {
        self.containers.push(Container { letter: NONE, parent: NONE, children: 0 });
        (self.containers.len() - 1) as u32
    }

    /// Numbers of containers come from `new_container` only.
    fn get(&self, number: u32) -> Container {
        self.containers[number as usize]
    }

    fn link(&mut self, child: u32, parent: u32) {
        self.containers[child as usize].parent = parent;
        self.containers[parent as usize].children += 1;
    }

    fn unlink(&mut self, child: u32) {
        let parent = std::mem::replace(&mut self.containers[child as usize].parent, NONE);
        if parent != NONE {
            self.containers[parent as usize].children -= 1;
        }
    }

    /// Whether `child` is, or stands above, its new parent.
    fn would_loop(&mut self, child: u32, parent: u32) -> bool {
        if child == parent {
            return true;
        }
        if self.get(child).children == 0 {
            return false;
        }
        let mut at = parent;
        while at != NONE {
            if at == child || self.steps >= MAX_STEPS {
                return true;
            }
            self.steps += 1;
            at = self.get(at).parent;
        }
        false
    }

    /// Steps 2 and 3: containers without a message go, their children move up. Only at the root
    /// one stays where it holds several children together.
    fn prune(self, letters: usize) -> Forest {
        let mut forest = Forest::new(letters);
        // Of each container: the next one above that has a message, or its root.
        let above = self.next_above();
        let mut held = HashMap::<u32, Held>::new();
        for (container, &above) in self.containers.iter().zip(&above) {
            if container.letter == NONE {
                continue;
            }
            let letter = container.letter as usize;
            match above {
                NONE => forest.add_root(letter),
                above => match self.get(above).letter {
                    NONE => held.entry(above).or_insert(Held::Nothing).add(letter, &mut forest),
                    parent => forest.adopt(parent as usize, letter),
                },
            }
        }
        forest
    }

    /// Parents before children, without recursion: a stack of the containers whose answer waits
    /// for that of their parent.
    fn next_above(&self) -> Vec<u32> {
        const UNKNOWN: u32 = NONE - 1;
        let mut above = vec![UNKNOWN; self.containers.len()];
        let mut waiting = Vec::new();
        for start in 0..self.containers.len() {
            waiting.push(start);
            while let Some(&at) = waiting.last() {
                let parent = self.containers[at].parent;
                let answer = match parent {
                    NONE => NONE,
                    parent if self.get(parent).letter != NONE => parent,
                    parent => match above[parent as usize] {
                        UNKNOWN => {
                            waiting.push(parent as usize);
                            continue;
                        }
                        NONE => parent, // an empty root
                        higher => higher,
                    },
                };
                above[at] = answer;
                waiting.pop();
            }
        }
        above
    }
}

/// What an empty container at the root holds.
enum Held {
    Nothing,
    One(usize),
    Several(usize),
}

impl Held {
    fn add(&mut self, letter: usize, forest: &mut Forest) {
        match *self {
            Held::Nothing => {
                forest.add_root(letter);
                *self = Held::One(letter);
            }
            Held::One(first) => {
                let dummy = forest.add_dummy();
                forest.adopt(dummy, first);
                forest.adopt(dummy, letter);
                *self = Held::Several(dummy);
            }
            Held::Several(dummy) => forest.adopt(dummy, letter),
        }
    }
}

/// Step 5: threads of one subject become one.
fn gather_subjects(forest: &mut Forest, letters: &[Letter<'_>]) {
    let mut roots: Vec<_> =
        forest.roots().map(|root| (forest.leader(root, letters), root)).collect();
    roots.sort_by_key(|(leader, _)| (letters.get(*leader).map(|letter| letter.sent), *leader));
    let link = |at: usize| letters.get(at).map(|letter| letter.link).unwrap_or_default();
    let is_reply = |node: usize| link(node).is_reply;

    let mut table: HashMap<u64, usize> = HashMap::with_capacity(roots.len());
    for &(leader, root) in roots.iter().filter(|(leader, _)| link(*leader).subject != 0) {
        let entry = table.entry(link(leader).subject).or_insert(root);
        let better = forest.is_dummy(root) || is_reply(*entry) && !is_reply(root);
        if !forest.is_dummy(*entry) && better {
            *entry = root;
        }
    }
    for (leader, root) in roots {
        let Some(entry) = table.get_mut(&link(leader).subject) else { continue };
        let first = *entry;
        if first == root {
            continue;
        }
        if forest.is_dummy(first) {
            match forest.is_dummy(root) {
                true => forest.merge(root, first),
                false => forest.adopt(first, root),
            }
        } else if is_reply(root) && !is_reply(first) {
            forest.adopt(first, root);
        } else {
            let dummy = forest.add_dummy();
            forest.adopt(dummy, first);
            forest.adopt(dummy, root);
            *entry = dummy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::codec::encode;
    use crate::imap::search::thread::Link;

    /// Messages from lines like `id: references / subject`; the place is UID and date.
    fn threads(lines: &[(&str, &str, &str)]) -> String {
        let hash = |text: &str| text.bytes().fold(7u64, |h, b| h.wrapping_mul(131) + u64::from(b));
        let references: Vec<Vec<u64>> =
            lines.iter().map(|(_, refs, _)| refs.split_whitespace().map(hash).collect()).collect();
        let letter = |(at, (id, _, subject)): (usize, &(&str, &str, &str))| {
            let base = subject.trim_start_matches("re: ");
            let link = Link {
                id: if id.is_empty() { 0 } else { hash(id) },
                subject: if base.is_empty() { 0 } else { hash(base) },
                is_reply: base != *subject,
            };
            Letter { uid: at as u32 + 1, sent: at as i64, link, references: &references[at] }
        };
        let letters: Vec<_> = lines.iter().enumerate().map(letter).collect();
        let mut out = Vec::new();
        encode::thread(&mut out, &build(&letters).finish(&letters).nodes(|uid| uid));
        let line = String::from_utf8(out).unwrap();
        line.trim_end().strip_prefix("* THREAD ").unwrap().to_owned()
    }

    #[test]
    fn follows_references() {
        assert_eq!(
            threads(&[("a", "", "x"), ("b", "a", ""), ("c", "a b", ""), ("d", "a", "")]),
            "(1 (2 3)(4))"
        );
        // Children before their parents, a missing one in between.
        assert_eq!(threads(&[("c", "a b", ""), ("a", "", "")]), "(2 1)");
        // Two answers to a message that is not there.
        assert_eq!(threads(&[("b", "a", "p"), ("c", "a", "q")]), "((1)(2))");
        // Only one: it moves up.
        assert_eq!(threads(&[("b", "z a", "p")]), "(1)");
    }

    #[test]
    fn what_a_message_says_of_itself_wins() {
        // c's References were cut, so b seemed to follow z; b itself says a.
        assert_eq!(threads(&[("a", "", ""), ("c", "z b", ""), ("b", "a", "")]), "(1 3 2)");
        // A message without references has no parent, whatever others say.
        assert_eq!(threads(&[("c", "a b", "x"), ("b", "", "y"), ("a", "", "z")]), "(2 1)(3)");
    }

    #[test]
    fn loops_and_doubles_do_no_harm() {
        assert_eq!(threads(&[("a", "b", ""), ("b", "a", "")]), "(2 1)");
        assert_eq!(threads(&[("a", "a", "")]), "(1)");
        assert_eq!(threads(&[("a", "", "x"), ("a", "", "y"), ("b", "a", "")]), "(1 3)(2)");
        assert_eq!(threads(&[("", "", ""), ("", "", "")]), "(1)(2)");
        assert_eq!(
            threads(&[("a", "b c a", ""), ("b", "c a b", ""), ("c", "a b c", "")])
                .matches('3')
                .count(),
            1
        );
    }

    #[test]
    fn subjects_join_threads() {
        // A reply whose references were lost goes below the first.
        assert_eq!(threads(&[("a", "", "x"), ("b", "", "re: x")]), "(1 2)");
        // Two that are both no reply, or both one, stand side by side.
        assert_eq!(threads(&[("a", "", "x"), ("b", "", "x")]), "((1)(2))");
        assert_eq!(
            threads(&[("a", "", "re: x"), ("b", "", "re: x"), ("c", "", "x")]),
            "(3 (1)(2))"
        );
        // A dummy takes in whatever has its subject.
        assert_eq!(threads(&[("b", "z", "x"), ("c", "z", "x"), ("d", "", "x")]), "((1)(2)(3))");
        assert_eq!(
            threads(&[("b", "z", "x"), ("c", "z", "x"), ("d", "y", "x"), ("e", "y", "x")]),
            "((1)(2)(3)(4))"
        );
        // No subject joins nothing.
        assert_eq!(threads(&[("a", "", ""), ("b", "", "re: ")]), "(1)(2)");
    }

    #[test]
    fn a_chain_of_all_messages_takes_no_stack() {
        let ids: Vec<String> = (0..50_000).map(|n| format!("m{n}")).collect();
        let mut lines: Vec<(&str, &str, &str)> = vec![(&ids[0], "", "")];
        lines.extend(ids.windows(2).map(|pair| (&*pair[1], &*pair[0], "")));
        let forward = threads(&lines);
        assert!(forward.starts_with("(1 2 3 ") && forward.ends_with(" 50000)"));
        lines.reverse();
        assert!(threads(&lines).starts_with("(50000 49999 "));
    }
}
