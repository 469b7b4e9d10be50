//! Latencies in order.

use std::time::Duration;

use serde::Serialize;

/// Most single values that are printed of one quantity, or of several alike together.
pub(crate) const SAMPLES: usize = 200;

/// One quantity, as it is printed: its statistics, and some of its values for plots.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// What, for people: `wake-up on CPU 4`.
    what: String,
    unit: &'static str,
    /// How many values there were.
    count: usize,
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
    /// Not all, in the order of measurement: of the values in order of size each n-th, and the largest, so
    /// that they are distributed as all are.
    samples: Vec<f64>,
}

impl Measured {
    /// `what` took each of `times`; at most `most` of them are kept. `None` if `times` is empty.
    pub(crate) fn of(what: impl Into<String>, times: &[Duration], most: usize) -> Option<Self> {
        let all = Distribution::new(times.to_vec())?;
        Some(Self {
            what: what.into(),
            unit: "µs",
            count: all.len(),
            p50: all.micros(50),
            p95: all.micros(95),
            p99: all.micros(99),
            max: all.micros(100),
            samples: representatives(times, most)
                .into_iter()
                .map(|at| micros(times[at]))
                .collect(),
        })
    }
}

/// The indices of those `times` that represent all.
fn representatives(times: &[Duration], most: usize) -> Vec<usize> {
    let mut by_size: Vec<usize> = (0..times.len()).collect();
    by_size.sort_by_key(|&at| times[at]);
    let count = times.len().min(most);
    let mut chosen: Vec<usize> = (1..=count)
        .map(|nth| by_size[nth * times.len() / count - 1])
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Sorted samples.
#[derive(Debug)]
pub(crate) struct Distribution(Vec<Duration>);

impl Distribution {
    /// At least one sample.
    pub(crate) fn new(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        (!samples.is_empty()).then_some(Self(samples))
    }

    /// The nearest rank: the smallest sample that at least `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank.min(self.0.len()) - 1]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn max(&self) -> Duration {
        self.percentile(100)
    }

    /// Percentile in µs.
    pub(crate) fn micros(&self, percent: usize) -> f64 {
        micros(self.percentile(percent))
    }
}

/// In µs, to a tenth.
pub(crate) fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let of = |n: u64| Distribution::new((1..=n).rev().map(Duration::from_micros).collect());
        let hundred = of(100).unwrap();
        assert_eq!(hundred.percentile(50), Duration::from_micros(50));
        assert_eq!(hundred.percentile(99), Duration::from_micros(99));
        assert_eq!(hundred.max(), Duration::from_micros(100));
        let three = of(3).unwrap();
        assert_eq!(three.percentile(50), Duration::from_micros(2));
        assert_eq!(three.percentile(99), Duration::from_micros(3));
        assert_eq!(of(1).unwrap().percentile(0), Duration::from_micros(1));
        assert!(of(0).is_none());
    }

    #[test]
    fn few_samples_stand_for_many() {
        let times: Vec<_> = (0..1000_u64)
            .map(|n| Duration::from_micros(n * 7919 % 1000))
            .collect();
        let measured = Measured::of("all", &times, SAMPLES).unwrap();
        assert_eq!((measured.count, measured.samples.len()), (1000, SAMPLES));
        let mut sorted = measured.samples.clone();
        sorted.sort_by(f64::total_cmp);
        assert_ne!(measured.samples, sorted, "in the order of measurement");
        assert!((sorted[SAMPLES / 2] - 504.0).abs() < 1.0, "{sorted:?}");
        assert!((sorted[SAMPLES - 1] - 999.0).abs() < 0.1, "{sorted:?}");
        let few: Vec<_> = [3, 1, 2].map(Duration::from_micros).to_vec();
        let measured = Measured::of("few", &few, SAMPLES).unwrap();
        assert_eq!(format!("{:?}", measured.samples), "[3.0, 1.0, 2.0]");
        assert!(Measured::of("none", &[], SAMPLES).is_none());
    }

    #[test]
    fn micros_have_one_decimal() {
        let text = format!("{}", micros(Duration::from_nanos(12_345)));
        assert_eq!(text, "12.3");
    }
}
