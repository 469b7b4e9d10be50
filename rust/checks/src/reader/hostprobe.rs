//! What `hostprobe` says: one JSON document with an item for each thing that it tried. The item of requests to an
//! inference server has readers of its own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Answer, Found, Unreadable};
use crate::measurement::Measurement;

/// A report.
#[derive(Deserialize)]
pub(crate) struct Report {
    items: Vec<Item>,
}

/// One thing that it tried.
#[derive(Deserialize)]
pub(crate) struct Item {
    #[serde(rename = "item")]
    name: String,
    status: Status,
    /// What was seen, in words.
    pub(crate) message: String,
    /// Why it may be so, and what to do.
    pub(crate) hint: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, Value>,
    #[serde(default)]
    measured: Vec<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    what: String,
    unit: String,
    p50: f64,
    p99: f64,
    max: f64,
    #[serde(default)]
    samples: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Fail,
    Skip,
}

impl Report {
    /// The report in `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        serde_json::from_str(text)
            .map_err(|error| Unreadable(format!("not a report of hostprobe: {error}")))
    }

    /// The item `name`, if it was tried or skipped.
    pub(crate) fn item(self, name: &str) -> Option<Item> {
        self.items.into_iter().find(|item| item.name == name)
    }
}

impl Item {
    /// The item `name` of the document at the end of an answer; other lines may come before it.
    pub(crate) fn of(answer: &Answer<'_>, name: &str) -> Result<Self, Unreadable> {
        let text = answer.text()?;
        let start = if text.starts_with('{') {
            0
        } else {
            text.find("\n{")
                .map(|at| at + 1)
                .ok_or_else(|| Unreadable::new("no report of hostprobe"))?
        };
        Report::parse(&text[start..])?
            .item(name)
            .ok_or_else(|| Unreadable(format!("no item `{name}` in the report of hostprobe")))?
            .tried()
    }

    /// The same item; one that was skipped says nothing.
    pub(crate) fn tried(self) -> Result<Self, Unreadable> {
        if self.status == Status::Skip {
            return Err(Unreadable(format!("not probed: {}", self.message)));
        }
        Ok(self)
    }

    /// Whether it did what it tried.
    pub(crate) fn passed(&self) -> bool {
        self.status == Status::Pass
    }

    /// It failed: its own words.
    pub(crate) fn failure(&self) -> Found {
        let found = Found::when(false, &self.message);
        match &self.hint {
            Some(hint) => found.or_hint(hint),
            None => found,
        }
    }

    /// What it measured, in its own units.
    pub(crate) fn measurements(&self) -> impl Iterator<Item = Measurement> {
        self.measured.iter().map(|measured| {
            Measurement::new(&measured.what, &measured.unit)
                .statistic("p50", measured.p50)
                .statistic("p99", measured.p99)
                .statistic("max", measured.max)
                .samples(measured.samples.iter().copied())
        })
    }

    /// Whether something is so; `None` where it does not say.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.values.get(key)?.as_bool()
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.values.get(key)?.as_f64()
    }

    /// What is called `{key}_p50_us`, `…_p95_us`, `…_p99_us`, `…_max_us` and `{key}_us` (samples), as
    /// milliseconds; none where nothing of it was measured.
    pub(crate) fn milliseconds(&self, key: &str, what: &str) -> Option<Measurement> {
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
pub(crate) fn shown(measured: &Measurement, names: &[&str]) -> String {
    let numbers: Vec<String> = names
        .iter()
        .filter_map(|name| Some(format!("{name} {:.1}", measured.value(name)?)))
        .collect();
    format!("{} {}", numbers.join(", "), measured.unit)
}

/// What hostprobe calls requests to an inference server.
pub(crate) const INFERENCE: &str = "inference";
/// A prompt may be longer or shorter than declared by this share: words have no fixed number of tokens. As much of
/// it may come out of the prefix cache: the chat's template begins alike.
pub(crate) const TOLERANCE: f64 = 0.25;

/// Whether the prompts had the declared length by the server's own count; what was wrong where not.
pub(crate) fn prompt_of_length(item: &Item, declared: u32) -> Result<String, String> {
    let ends = item
        .number("prompt_tokens_min")
        .zip(item.number("prompt_tokens_max"));
    let Some((min, max)) = ends else {
        return Err("the server does not say how many tokens a prompt has".to_owned());
    };
    let shown = if min < max {
        format!("{min} to {max}")
    } else {
        format!("{min}")
    };
    let wanted = f64::from(declared);
    let off = (min - wanted).abs().max((max - wanted).abs()) / wanted;
    if off > TOLERANCE {
        return Err(format!("prompts had {shown} tokens, not about {declared}"));
    }
    Ok(format!("prompts of {shown} tokens"))
}

/// That something declared was not measured at all.
pub(crate) fn not_measured(what: &str) -> Unreadable {
    Unreadable(format!("nothing of the {what} in the report of hostprobe"))
}
