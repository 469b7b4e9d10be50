//! What `hostprobe` says: one JSON document with an item for each thing that it tried.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Found, Unreadable};
use super::measurement::Measurement;

#[derive(Deserialize)]
struct Report {
    items: Vec<Item>,
}

/// One thing that it tried.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Item {
    #[serde(rename = "item")]
    name: String,
    status: Status,
    /// What was seen, in words.
    pub(super) message: String,
    /// Why it may be so, and what to do.
    pub(super) hint: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Fail,
    Skip,
}

impl Item {
    /// The item `name` of the document that ends an answer; other lines may stand before it. One that was
    /// skipped says nothing.
    pub(super) fn of(answer: &Answer<'_>, name: &str) -> Result<Self, Unreadable> {
        let text = answer.text()?;
        let start = if text.starts_with('{') {
            0
        } else {
            text.find("\n{")
                .map(|at| at + 1)
                .ok_or_else(|| Unreadable::new("no report of hostprobe"))?
        };
        let report: Report = serde_json::from_str(&text[start..])
            .map_err(|error| Unreadable(format!("not the report of hostprobe: {error}")))?;
        let item = report.items.into_iter().find(|item| item.name == name);
        let item =
            item.ok_or_else(|| Unreadable(format!("no item `{name}` in the report of hostprobe")))?;
        if item.status == Status::Skip {
            return Err(Unreadable(format!(
                "hostprobe skipped it: {}",
                item.message
            )));
        }
        Ok(item)
    }

    /// Whether it did what it tried.
    pub(super) fn passed(&self) -> bool {
        self.status == Status::Pass
    }

    /// It failed: its own words.
    pub(super) fn failure(&self) -> Found {
        let found = Found::when(false, &self.message);
        match &self.hint {
            Some(hint) => found.or_hint(hint),
            None => found,
        }
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.values.get(key)?.as_f64()
    }

    /// What is called `{key}_p50_us`, `…_p95_us`, `…_p99_us`, `…_max_us` and `{key}_us` (samples), as
    /// milliseconds; none where nothing of it was measured.
    pub(super) fn milliseconds(&self, key: &str, what: &str) -> Option<Measurement> {
        let mut measured = Measurement::new(what, "ms");
        for name in ["p50", "p95", "p99", "max"] {
            if let Some(micros) = self.number(&format!("{key}_{name}_us")) {
                measured = measured.statistic(name, micros / 1000.0);
            }
        }
        if measured.statistics.is_empty() {
            return None;
        }
        let samples = self
            .values
            .get(&format!("{key}_us"))
            .and_then(Value::as_array);
        let samples = samples.into_iter().flatten().filter_map(Value::as_f64);
        Some(measured.samples(samples.map(|micros| micros / 1000.0)))
    }
}

/// `p50 12.3, p95 20.1, max 40 ms`, for people.
pub(super) fn shown(measured: &Measurement, names: &[&str]) -> String {
    let numbers: Vec<String> = names
        .iter()
        .filter_map(|name| Some(format!("{name} {:.1}", measured.value(name)?)))
        .collect();
    format!("{} {}", numbers.join(", "), measured.unit)
}
