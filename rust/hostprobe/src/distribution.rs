//! Latencies in order.

use std::time::Duration;

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
    fn micros_have_one_decimal() {
        let text = format!("{}", micros(Duration::from_nanos(12_345)));
        assert_eq!(text, "12.3");
    }
}
