//! Trees of messages while they are made, and when they are done.

use super::Letter;
use crate::imap::codec::encode::ThreadNode;

/// Trees while they are made: nodes `0..letters` are messages, those behind are dummies that hold
/// together messages whose common ancestor is missing.
#[derive(Debug)]
pub(super) struct Forest {
    pub children: Vec<Vec<u32>>,
    pub is_root: Vec<bool>,
    letters: usize,
}

impl Forest {
    pub fn new(letters: usize) -> Self {
        Self { children: vec![Vec::new(); letters], is_root: vec![false; letters], letters }
    }

    pub fn is_dummy(&self, node: usize) -> bool {
        node >= self.letters
    }

    /// A dummy at the root.
    pub fn add_dummy(&mut self) -> usize {
        self.children.push(Vec::new());
        self.is_root.push(true);
        self.children.len() - 1
    }

    pub fn add_root(&mut self, node: usize) {
        if let Some(is_root) = self.is_root.get_mut(node) {
            *is_root = true;
        }
    }

    /// Puts a node that is at the root, or nowhere yet, below another.
    pub fn adopt(&mut self, parent: usize, child: usize) {
        if let Some(is_root) = self.is_root.get_mut(child) {
            *is_root = false;
        }
        if let Some(children) = self.children.get_mut(parent) {
            children.push(child as u32);
        }
    }

    /// Moves the children of one node to another.
    pub fn merge(&mut self, from: usize, into: usize) {
        let Some(children) = self.children.get_mut(from).map(std::mem::take) else { return };
        if let Some(all) = self.children.get_mut(into) {
            all.extend(children);
        }
        if let Some(is_root) = self.is_root.get_mut(from) {
            *is_root = false;
        }
    }

    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.is_root.iter().enumerate().filter_map(|(node, is_root)| is_root.then_some(node))
    }

    /// The message by which a node is sorted: itself, or the earliest child of a dummy.
    pub fn leader(&self, node: usize, letters: &[Letter<'_>]) -> usize {
        if !self.is_dummy(node) {
            return node;
        }
        let children = self.children.get(node).into_iter().flatten().map(|child| *child as usize);
        children.min_by_key(|child| (date(letters, *child), *child)).unwrap_or(node)
    }

    /// Sorts siblings by date, then by their order in the mailbox (RFC 5256 §2.2), and writes all
    /// down parents first.
    pub fn finish(mut self, letters: &[Letter<'_>]) -> Threads {
        for children in &mut self.children {
            children.sort_by_key(|child| (date(letters, *child as usize), *child));
        }
        let mut roots: Vec<_> = self
            .roots()
            .map(|root| {
                let leader = self.leader(root, letters);
                (date(letters, leader), leader, root)
            })
            .collect();
        roots.sort_unstable();
        let mut items = Vec::with_capacity(self.children.len());
        let mut stack: Vec<(usize, u32)> =
            roots.iter().rev().map(|(.., root)| (*root, 0)).collect();
        while let Some((node, depth)) = stack.pop() {
            items.push((depth, letters.get(node).map_or(0, |letter| letter.uid)));
            let children = self.children.get(node).into_iter().flatten();
            stack.extend(children.rev().map(|child| (*child as usize, depth + 1)));
        }
        Threads { items }
    }
}

fn date(letters: &[Letter<'_>], at: usize) -> Option<i64> {
    letters.get(at).map(|letter| letter.sent)
}

/// Finished threads, in the order in which they are written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Threads {
    /// Depth and UID, 0 for a dummy; each node is followed by its children and theirs.
    items: Vec<(u32, u32)>,
}

impl Threads {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// As they are written, where `number` tells how the message with a UID is called.
    pub fn nodes(&self, number: impl Fn(u32) -> u32) -> Vec<ThreadNode> {
        let node = |&(depth, uid): &(u32, u32)| ThreadNode {
            depth,
            number: (uid != 0).then(|| number(uid)),
        };
        self.items.iter().map(node).collect()
    }
}
