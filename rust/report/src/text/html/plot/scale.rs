//! Maps values to places in the drawing.

use super::{WIDTH, ends};

/// Values beyond this factor of each other are not seen side by side on an even scale.
const WIDE: f64 = 60.0;
/// A limit that is this many times the greatest value is not drawn to scale.
const FAR: f64 = 6.0;

/// Maps values to positions between 0 and [`WIDTH`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Scale {
    /// The least value drawn.
    pub(super) low: f64,
    /// The greatest value drawn.
    pub(super) high: f64,
    /// Whether equal steps are equal factors.
    pub(super) log: bool,
}

impl Scale {
    /// One that shows all `values`, and those `limits` that are not far away.
    pub(super) fn over(values: &[f64], limits: &[f64], bars: bool) -> Self {
        let (mut least, mut most) = ends(values);
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        for &limit in limits {
            // How long a bar is says nothing without its limit.
            if bars || limit <= most.max(0.0) * FAR || most <= 0.0 {
                most = most.max(limit);
            }
            least = least.min(limit);
        }
        let log = !bars && least > 0.0 && most / least > WIDE;
        // Bars begin at zero, so that their lengths are comparable. So do values near zero.
        if !log && (bars || (least > 0.0 && least < most * 0.6)) {
            least = least.min(0.0);
            most = most.max(0.0);
        }
        let room = (most - least) * 0.04;
        let scale = Self {
            low: least,
            high: if log { most * 1.2 } else { most + room },
            log,
        };
        if scale.high > scale.low && scale.span().is_finite() && scale.span() > 0.0 {
            return scale;
        }
        if bars && scale.low.total_cmp(&scale.high).is_eq() {
            // Nothing but noughts, and bars begin there.
            return Self {
                low: 0.0,
                high: 1.0,
                log: false,
            };
        }
        // All the same: in the middle of something.
        let around = if least == 0.0 { 1.0 } else { least.abs() * 0.5 };
        Self {
            low: least - around,
            high: least + around,
            log: false,
        }
    }

    /// The position of `value`; a value outside of the scale is at its edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / self.span()
        } else {
            (value - self.low) / self.span()
        };
        if share.is_finite() {
            share.clamp(0.0, 1.0) * WIDTH
        } else {
            0.0
        }
    }

    fn span(&self) -> f64 {
        if self.log {
            (self.high / self.low).ln()
        } else {
            self.high - self.low
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bars_begin_at_nought() {
        let nothing = Scale::over(&[0.0, 0.0], &[0.0], true);
        assert!(nothing.at(0.0) < f64::EPSILON);
        let scale = Scale::over(&[9.41, 9.38], &[9.4], true);
        assert!(scale.low.abs() < f64::EPSILON && scale.high > 9.41);
    }

    #[test]
    fn bars_show_how_far_their_limit_is() {
        assert!(Scale::over(&[0.07], &[1.0], true).at(0.07) < WIDTH / 10.0);
    }

    #[test]
    fn a_limit_far_away_does_not_squeeze_what_was_measured() {
        assert!(Scale::over(&[1.0, 2.0], &[100.0], false).high < 3.0);
        assert!(Scale::over(&[30.0, 40.0], &[100.0], false).high > 100.0);
    }

    #[test]
    fn a_long_tail_is_shown_by_factors() {
        assert!(Scale::over(&[2.0, 3.0, 250.0], &[], false).log);
        assert!(!Scale::over(&[2.0, 3.0, 50.0], &[], false).log);
        assert!(!Scale::over(&[0.0, 3.0, 500.0], &[], false).log);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place(
            values in prop::collection::vec(prop::num::f64::ANY.prop_filter("finite", |v| v.is_finite()), 0..9),
            limits in prop::collection::vec(prop::num::f64::NORMAL, 0..3),
            bars: bool,
        ) {
            let scale = Scale::over(&values, &limits, bars);
            for value in values.iter().chain(&limits) {
                let x = scale.at(*value);
                prop_assert!((0.0..=WIDTH).contains(&x), "{value} at {x} on {scale:?}");
            }
        }
    }
}
