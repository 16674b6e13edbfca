//! Dialogues with the front on real sockets, over a store in memory.

mod dialogue;
mod inbound;
mod submission;
