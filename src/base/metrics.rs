//! Counters and gauges for `/metrics`, in the text form of Prometheus.
//!
//! A metric is a `static` beside the code that counts; it enters the list with its first use,
//! so no floor needs to know another's metrics. Counting is one relaxed atomic addition.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

static ALL: Mutex<Vec<&'static Metric>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// One number with a name.
pub struct Metric {
    name: &'static str,
    help: &'static str,
    /// `key="value"` pairs with commas between, or nothing.
    labels: &'static str,
    kind: Kind,
    listed: AtomicBool,
    value: AtomicI64,
}

impl Metric {
    /// A number that only grows; by custom its name ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::with_labels(name, help, "", Kind::Counter)
    }

    /// One of several counters of the same name, told apart by `labels` such as `front="imap"`.
    pub const fn counter_of(name: &'static str, help: &'static str, labels: &'static str) -> Self {
        Self::with_labels(name, help, labels, Kind::Counter)
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::with_labels(name, help, "", Kind::Gauge)
    }

    const fn with_labels(
        name: &'static str,
        help: &'static str,
        labels: &'static str,
        kind: Kind,
    ) -> Self {
        let (listed, value) = (AtomicBool::new(false), AtomicI64::new(0));
        Self { name, help, labels, kind, listed, value }
    }

    /// Adds to the number.
    pub fn add(&'static self, count: i64) {
        self.list();
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&'static self, value: i64) {
        self.list();
        self.value.store(value, Ordering::Relaxed);
    }

    /// The number now.
    pub fn value(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    fn list(&'static self) {
        if !self.listed.load(Ordering::Relaxed) && !self.listed.swap(true, Ordering::Relaxed) {
            // A list that a panic left behind is still a list.
            ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(self);
        }
    }
}

/// All metrics used so far, in the text exposition format 0.0.4.
pub fn render() -> String {
    let mut all = ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    all.sort_by_key(|metric| (metric.name, metric.labels));
    let mut text = String::new();
    let mut last = "";
    for metric in all {
        if metric.name != last {
            let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
            let (name, help) = (metric.name, metric.help);
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            last = metric.name;
        }
        let _ = match metric.labels {
            "" => writeln!(text, "{} {}", metric.name, metric.value()),
            labels => writeln!(text, "{}{{{labels}}} {}", metric.name, metric.value()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    static IN: Metric = Metric::counter_of("test_lines_total", "Lines.", r#"way="in""#);
    static OUT: Metric = Metric::counter_of("test_lines_total", "Lines.", r#"way="out""#);
    static OPEN: Metric = Metric::gauge("test_open", "Open things.");

    #[test]
    fn what_was_counted_is_shown_once_with_its_help() {
        OUT.add(1);
        IN.add(2);
        IN.add(1);
        OPEN.set(5);
        OPEN.add(-1);
        let text = render();
        let lines = "# HELP test_lines_total Lines.\n# TYPE test_lines_total counter\n\
                     test_lines_total{way=\"in\"} 3\ntest_lines_total{way=\"out\"} 1\n";
        assert!(text.contains(lines), "{text}");
        assert!(text.contains("# TYPE test_open gauge\ntest_open 4\n"), "{text}");
    }
}
