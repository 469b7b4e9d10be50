//! What a check measured: the numbers behind its verdict, for reports.

use serde::{Deserialize, Serialize};

/// One quantity: some statistics of it, the samples where they were kept, and what it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// What, for people: `time to first token`.
    pub what: String,
    /// Its unit: `ms`, `µs`, `Gbit/s`, `%`.
    pub unit: String,
    /// Statistics, in the order to show them: `p50`, `p95`, `p99`, `max`; or `mean`; or one `value`.
    pub statistics: Vec<Statistic>,
    /// Single values in the order of measurement; empty where only statistics are known.
    pub samples: Vec<f64>,
    /// What decided; none where it was measured and not judged.
    pub limit: Option<Limit>,
}

/// One number that summarises many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistic {
    /// `p95`.
    pub name: String,
    /// In the measurement's unit. Always finite.
    pub value: f64,
}

/// A threshold on one statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The statistic that it limits.
    pub statistic: String,
    /// Whether it is the most or the least that passes.
    pub bound: Bound,
    /// In the measurement's unit.
    pub value: f64,
}

/// Which side of a limit passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// It or less.
    AtMost,
    /// It or more.
    AtLeast,
}

impl Measurement {
    /// `what` in `unit`, with nothing known of it yet.
    pub fn new(what: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            unit: unit.into(),
            statistics: Vec::new(),
            samples: Vec::new(),
            limit: None,
        }
    }

    /// Adds a statistic; one that is no finite number is left out.
    #[must_use]
    pub fn statistic(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            let name = name.into();
            self.statistics.push(Statistic { name, value });
        }
        self
    }

    /// Keeps single values, without those that are not finite.
    #[must_use]
    pub fn samples(mut self, samples: impl IntoIterator<Item = f64>) -> Self {
        self.samples
            .extend(samples.into_iter().filter(|sample| sample.is_finite()));
        self
    }

    /// Says what `statistic` is held against.
    #[must_use]
    pub fn limit(mut self, statistic: impl Into<String>, bound: Bound, value: f64) -> Self {
        self.limit = Some(Limit {
            statistic: statistic.into(),
            bound,
            value,
        });
        self
    }

    /// The value of a statistic.
    pub fn value(&self, statistic: &str) -> Option<f64> {
        let found = self.statistics.iter().find(|s| s.name == statistic)?;
        Some(found.value)
    }

    /// Whether it is within its limit; true without one, false where the statistic is not known.
    pub fn holds(&self) -> bool {
        self.limit.as_ref().is_none_or(|limit| {
            self.value(&limit.statistic)
                .is_some_and(|value| match limit.bound {
                    Bound::AtMost => value <= limit.value,
                    Bound::AtLeast => value >= limit.value,
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_decides() {
        let measured = |bound, limit| {
            Measurement::new("throughput", "Gbit/s")
                .statistic("mean", 9.4)
                .limit("mean", bound, limit)
                .holds()
        };
        assert!(measured(Bound::AtLeast, 9.4));
        assert!(!measured(Bound::AtLeast, 9.5));
        assert!(measured(Bound::AtMost, 9.4));
        assert!(!measured(Bound::AtMost, 9.3));
    }

    #[test]
    fn nothing_measured_holds_no_limit() {
        let nothing = Measurement::new("latency", "ms")
            .statistic("p95", f64::NAN)
            .samples([f64::INFINITY]);
        assert!(nothing.holds());
        assert!(nothing.samples.is_empty());
        assert!(!nothing.limit("p95", Bound::AtMost, 100.0).holds());
    }
}
