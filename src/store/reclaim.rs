//! Gives back what nobody needs any more: bodies without messages, segments full of holes.
//!
//! A crash between any two steps leaves at most a segment that the next pass finds. Removing a
//! segment waits until no snapshot of before can still read from it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use crate::base::id::ContentId;
use crate::store::engine::BodyRef;
use crate::store::keys::{self, Kind};
use crate::store::rows::message::Body;
use crate::store::{Error, Read, Result, Store};

/// Snapshots live for milliseconds and downloads for minutes; a segment outlives its last body
/// by this.
pub const SEGMENT_GRACE: Duration = Duration::from_secs(600);
/// A spooled file that no row names after this long was left by a crash or a lost client.
const ORPHAN_AGE_SECS: i64 = 3_600;
/// A segment of which less than this part is alive is rewritten.
const WORTH_KEEPING: f64 = 0.5;
/// Bodies moved in one transaction, in bytes: deliveries wait for it.
const MOVED_AT_ONCE: u64 = 2 << 20;

/// What a pass found and did.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Segments from which nothing is alive; to be removed after [`SEGMENT_GRACE`].
    pub empty: Vec<u32>,
    /// Bodies that were moved.
    pub moved: usize,
}

/// Looks at all segments: moves the bodies out of sparse ones and names the empty ones.
pub fn pass(store: &Store) -> Result<Pass> {
    let segments = store.engine().segments()?;
    let mut alive: HashMap<u32, u64> = HashMap::new();
    let mut bodies: HashMap<u32, Vec<(ContentId, BodyRef)>> = HashMap::new();
    let snapshot = store.read();
    snapshot.scan_prefix(&keys::kind(Kind::Body), &mut |_, value| {
        let at = Body::decode(value)?.at;
        *alive.entry(at.segment).or_default() += at.len;
        Ok(ControlFlow::Continue(()))
    })?;
    let now = store.clock().now();
    let mut done = Pass::default();
    let mut sparse = Vec::new();
    for segment in segments.iter().filter(|segment| !segment.active) {
        let live = alive.get(&segment.number).copied().unwrap_or(0);
        if live == 0 {
            if !segment.single || segment.modified + ORPHAN_AGE_SECS < now {
                done.empty.push(segment.number);
            }
        } else if !segment.single && (live as f64) < segment.size as f64 * WORTH_KEEPING {
            sparse.push(segment.number);
        }
    }
    if sparse.is_empty() {
        return Ok(done);
    }
    snapshot.scan_prefix(&keys::kind(Kind::Body), &mut |key, value| {
        let at = Body::decode(value)?.at;
        if sparse.contains(&at.segment) {
            let id = ContentId(keys::u64_at(key, 1).unwrap_or_default());
            bodies.entry(at.segment).or_default().push((id, at));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    drop(snapshot);
    for (_, list) in bodies {
        done.moved += list.len();
        relocate(store, list)?;
    }
    Ok(done)
}

fn relocate(store: &Store, list: Vec<(ContentId, BodyRef)>) -> Result<()> {
    let mut batch: Vec<(ContentId, BodyRef, Bytes)> = Vec::new();
    let mut bytes = 0;
    let mut list = list.into_iter().peekable();
    while let Some((id, at)) = list.next() {
        let mut body = Vec::with_capacity(at.len as usize);
        store.read().read_body(&at, 0, at.len, &mut body)?;
        bytes += at.len;
        batch.push((id, at, body.into()));
        if bytes >= MOVED_AT_ONCE || list.peek().is_none() {
            let moving = std::mem::take(&mut batch);
            bytes = 0;
            store.write_blocking(move |tx| {
                moving.into_iter().try_for_each(|(id, at, body)| tx.relocate(id, at, body))?;
                Ok::<_, Error>(())
            })?;
        }
    }
    Ok(())
}

/// Removes segments that a pass found empty, if they still are.
pub fn remove(store: &Store, segments: &[u32]) -> Result<usize> {
    let mut alive = std::collections::HashSet::new();
    store.read().scan_prefix(&keys::kind(Kind::Body), &mut |_, value| {
        alive.insert(Body::decode(value)?.at.segment);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut removed = 0;
    for segment in segments.iter().filter(|segment| !alive.contains(segment)) {
        removed += usize::from(store.engine().remove_segment(*segment)?);
    }
    Ok(removed)
}
