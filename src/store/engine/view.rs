//! A snapshot of all rows: the base file's with the newer ones in memory laid over them.
//!
//! This is the hottest path of reading. Where the maps have nothing in a range, redb's rows are
//! handed on as they are.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use super::redb::{BaseRows, Overlay};
use super::{Key, OnRow, Result, Value, View};

pub(super) struct LocalView {
    pub(super) base: Arc<BaseRows>,
    /// Rows on their way into the base file.
    pub(super) frozen: Overlay,
    /// Rows newer than those.
    pub(super) live: Overlay,
}

impl View for LocalView {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        if let Some(row) = self.live.get(key).or_else(|| self.frozen.get(key)) {
            return Ok(row.clone());
        }
        let row = self.base.table.get(key).map_err(|error| self.base.error(error))?;
        Ok(row.map(|row| Value::copy_from_slice(row.value())))
    }

    fn scan(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        let range = || (Bound::Included(start), Bound::Excluded(end));
        let live = self.live.range::<_, [u8]>(range());
        let frozen = self.frozen.range::<_, [u8]>(range());
        let base = self.base.table.range::<&[u8]>(range()).map_err(|e| self.base.error(e))?;
        self.merge(base, laid_over(live, frozen, <[u8]>::cmp), <[u8]>::cmp, row)
    }

    fn scan_back(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        let range = || (Bound::Included(start), Bound::Excluded(end));
        let live = self.live.range::<_, [u8]>(range()).rev();
        let frozen = self.frozen.range::<_, [u8]>(range()).rev();
        let base = self.base.table.range::<&[u8]>(range()).map_err(|e| self.base.error(e))?.rev();
        let order = |a: &[u8], b: &[u8]| b.cmp(a);
        self.merge(base, laid_over(live, frozen, order), order, row)
    }
}

type BaseRow =
    (redb::AccessGuard<'static, &'static [u8]>, redb::AccessGuard<'static, &'static [u8]>);

impl LocalView {
    fn merge<'a>(
        &self,
        base: impl Iterator<Item = Result<BaseRow, redb::StorageError>>,
        newer: impl Iterator<Item = (&'a Key, &'a Option<Value>)>,
        order: impl Fn(&[u8], &[u8]) -> Ordering,
        row: OnRow<'_>,
    ) -> Result<()> {
        let mut newer = newer.peekable();
        for entry in base {
            let (key, value) = entry.map_err(|error| self.base.error(error))?;
            let key = key.value();
            let mut hidden = false;
            while let Some((new_key, new_value)) = newer.peek().copied() {
                let side = order(new_key, key);
                if side == Ordering::Greater {
                    break;
                }
                newer.next();
                if let Some(new_value) = new_value
                    && row(new_key, new_value).is_break()
                {
                    return Ok(());
                }
                if side == Ordering::Equal {
                    hidden = true;
                    break;
                }
            }
            if !hidden && row(key, value.value()).is_break() {
                return Ok(());
            }
        }
        for (key, value) in newer {
            if let Some(value) = value
                && row(key, value).is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The rows of both maps in order; of two with the same key, the first map's.
fn laid_over<'a>(
    upper: impl Iterator<Item = (&'a Key, &'a Option<Value>)>,
    lower: impl Iterator<Item = (&'a Key, &'a Option<Value>)>,
    order: impl Fn(&[u8], &[u8]) -> Ordering,
) -> impl Iterator<Item = (&'a Key, &'a Option<Value>)> {
    let (mut upper, mut lower) = (upper.peekable(), lower.peekable());
    std::iter::from_fn(move || {
        let side = match (upper.peek(), lower.peek()) {
            (Some((a, _)), Some((b, _))) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match side {
            Ordering::Less => upper.next(),
            Ordering::Greater => lower.next(),
            Ordering::Equal => {
                lower.next();
                upper.next()
            }
        }
    })
}
