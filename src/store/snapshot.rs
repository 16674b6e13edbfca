//! A consistent view of everything, for milliseconds.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::engine::{BodyRef, Engine, View};
use crate::store::read::{Read, RowFn};
use crate::store::{Error, Result};

/// Reads rows and bodies as of one moment.
#[derive(Clone)]
pub struct Snapshot {
    view: Arc<dyn View>,
    engine: Arc<dyn Engine>,
}

impl Snapshot {
    pub(crate) fn new(view: Arc<dyn View>, engine: Arc<dyn Engine>) -> Self {
        Self { view, engine }
    }

    /// Appends `len` bytes of a body from `from` to `out`; a whole body is verified.
    pub fn read_body(&self, body: &BodyRef, from: u64, len: u64, out: &mut Vec<u8>) -> Result<()> {
        Ok(self.engine.read_body(body, from, len, out)?)
    }

    /// Gives the whole body as one slice.
    pub fn with_body<T>(&self, body: &BodyRef, f: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let (mut f, mut result) = (Some(f), None);
        self.engine.with_body(body, &mut |bytes| {
            if let Some(f) = f.take() {
                result = Some(f(bytes));
            }
        })?;
        result.ok_or_else(|| Error::Damaged("body was not read".into()))
    }
}

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.view.get(key)?)
    }
    fn scan(&self, start: &[u8], end: &[u8], row: &mut RowFn<'_>) -> Result<()> {
        let mut failed = Ok(());
        self.view.scan(start, end, &mut |key, value| match row(key, value) {
            Ok(flow) => flow,
            Err(error) => {
                failed = Err(error);
                ControlFlow::Break(())
            }
        })?;
        failed
    }
}
