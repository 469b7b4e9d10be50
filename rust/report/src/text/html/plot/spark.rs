//! One number over many runs, no bigger than a word.

use serde::Serialize;

use super::super::{Px, float};
use super::ends;

/// How wide and high it is.
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 28.0;
/// What dots need around the line.
const ROOM: f64 = 4.0;

/// A line over time.
#[derive(Debug, Serialize)]
pub(in super::super) struct Spark {
    width: Px,
    height: Px,
    /// Unbroken stretches: where nothing was measured, there is a gap.
    lines: Vec<String>,
    dots: Vec<Dot>,
    /// Where the limit is, if that is near.
    limit: Option<Px>,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: Px,
    y: Px,
    /// Whether it missed the limit.
    bad: bool,
    /// Whether it is this run's.
    last: bool,
}

/// One value per run, oldest first, each with whether it held; the last is this run's.
pub(in super::super) fn spark(values: &[Option<(f64, bool)>], limit: Option<f64>) -> Option<Spark> {
    let known: Vec<f64> = values.iter().flatten().map(|(value, _)| *value).collect();
    if known.len() < 2 || known.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let (mut least, mut most) = ends(&known);
    let spread = most - least;
    let limit = limit.filter(|limit| {
        limit.is_finite() && *limit <= most + 3.0 * spread && *limit >= least - 3.0 * spread
    });
    if let Some(limit) = limit {
        least = least.min(limit);
        most = most.max(limit);
    }
    let y = |value: f64| {
        let share = (value - least) / (most - least);
        let share = if share.is_finite() { share } else { 0.5 };
        HEIGHT - ROOM - share * (HEIGHT - 2.0 * ROOM)
    };
    let step = (WIDTH - 2.0 * ROOM) / float(values.len() - 1);
    let x = |index: usize| ROOM + float(index) * step;
    let mut lines = Vec::new();
    let mut line: Vec<String> = Vec::new();
    let mut dots = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let Some((value, held)) = *value else {
            lines.push(std::mem::take(&mut line).join(" "));
            continue;
        };
        line.push(format!("{:.1},{:.1}", x(index), y(value)));
        let newest = index + 1 == values.len();
        if newest || !held {
            dots.push(Dot {
                x: x(index).into(),
                y: y(value).into(),
                bad: !held,
                last: newest,
            });
        }
    }
    lines.push(line.join(" "));
    lines.retain(|line| line.contains(' '));
    Some(Spark {
        width: WIDTH.into(),
        height: HEIGHT.into(),
        lines,
        dots,
        limit: limit.map(|limit| y(limit).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_lie_on_one_line_and_gaps_stay_gaps() {
        let same = Some((3.0, true));
        let drawn = spark(&[same, same, None, same, Some((3.0, false))], None).unwrap();
        insta::assert_json_snapshot!(drawn, @r#"
        {
          "width": 200.0,
          "height": 28.0,
          "lines": [
            "4.0,14.0 52.0,14.0",
            "148.0,14.0 196.0,14.0"
          ],
          "dots": [
            {
              "x": 196.0,
              "y": 14.0,
              "bad": true,
              "last": true
            }
          ],
          "limit": null
        }
        "#);
    }

    #[test]
    fn one_value_is_no_history() {
        assert!(spark(&[None, Some((1.0, true))], Some(2.0)).is_none());
        assert!(spark(&[], None).is_none());
    }
}
