//! Looking through the segment files of the local engine: which bodies are in them, and whether
//! all is as it was written. Works while commits go on.

use super::format::SEGMENT_HEADER;
use super::local::Shared;
use super::replay::{Step, Walk};
use super::segments::Kind;
use super::{BodyRef, EngineError, Result, Segment, lock};

impl Shared {
    pub(super) fn list(&self) -> Result<Vec<Segment>> {
        let active = lock(&self.state).end.segment;
        self.segments.list(Some(active))
    }

    pub(super) fn segment_bodies(&self, segment: u32) -> Result<Vec<BodyRef>> {
        match self.segments.kind(segment) {
            None => return Err(EngineError::Damaged(format!("segment {segment} is missing"))),
            Some(Kind::Single) => {
                return Ok(self.segments.single_body(segment)?.into_iter().collect());
            }
            Some(Kind::Journal) => {}
        }
        let mut bodies = Vec::new();
        if let Some(mut walk) = self.walk(segment)? {
            while let Step::Record(record) = walk.next()? {
                bodies.extend(record.bodies(segment).unwrap_or_default());
            }
        }
        Ok(bodies)
    }

    /// See [`super::Engine::verify`].
    pub(super) fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>> {
        let mut wrong = lock(&self.base).verify()?;
        let segments = self.list()?;
        let all = segments.iter().map(|segment| segment.size).sum();
        let mut done = 0;
        for segment in &segments {
            let checked = self.verify_segment(segment, &mut wrong);
            // One that was reclaimed meanwhile is no damage.
            if self.segments.kind(segment.number).is_some() {
                note(checked, &mut wrong)?;
            }
            done += segment.size;
            progress(done, all);
        }
        Ok(wrong)
    }

    /// Where the walk through a segment's records has to end: a commit may just be writing.
    fn good_len(&self, segment: u32) -> Option<u64> {
        let end = lock(&self.state).end;
        (end.segment == segment).then_some(end.offset)
    }

    fn walk(&self, segment: u32) -> Result<Option<Walk>> {
        let good = self.good_len(segment);
        let mut walk = Walk::begin(&self.segments, segment, SEGMENT_HEADER)?;
        if let (Some(walk), Some(good)) = (&mut walk, good) {
            walk.len = walk.len.min(good);
        }
        Ok(walk)
    }

    /// Checks one journal segment record by record.
    fn verify_journal(&self, segment: u32, wrong: &mut Vec<String>) -> Result<()> {
        let Some(mut walk) = self.walk(segment)? else {
            wrong.push(format!("segment {segment} has no header"));
            return Ok(());
        };
        loop {
            let at = walk.at;
            let record = match walk.next()? {
                Step::End => return Ok(()),
                Step::Record(record) => record,
                Step::Broken => {
                    wrong.push(format!("segment {segment} is damaged from byte {at} on"));
                    return Ok(());
                }
            };
            for body in record.bodies(segment).unwrap_or_default() {
                note(self.segments.check_body(walk.file(), &body), wrong)?;
            }
        }
    }

    fn verify_segment(&self, segment: &Segment, wrong: &mut Vec<String>) -> Result<()> {
        if !segment.single {
            return self.verify_journal(segment.number, wrong);
        }
        // One without a body was never finished, and nobody refers to it.
        let Some(body) = self.segments.single_body(segment.number)? else { return Ok(()) };
        let file = self.segments.file(segment.number)?;
        note(self.segments.check_body(&*file, &body), wrong)
    }
}

/// Keeps damage as a line of text; other errors end the check.
fn note(checked: Result<()>, wrong: &mut Vec<String>) -> Result<()> {
    match checked {
        Err(EngineError::Damaged(what)) => wrong.push(what),
        other => return other,
    }
    Ok(())
}
