//! One column for a phone: below each link its hosts, joined by a rail on the left.

use std::fmt::Write as _;

use super::super::float;
use super::{Drawing, Hub, Line, Node, TALL};

/// Width of the drawing.
const WIDTH: f64 = 328.0;
/// Between two boxes.
const GAP: f64 = 10.0;
/// Widest step from one rail to the next, and the room for all of them.
const STEP: f64 = 12.0;
const RAILS: f64 = 60.0;

pub(super) fn draw(nodes: &[Node], hubs: &[Hub]) -> Drawing {
    let count = float(hubs.len());
    let step = if count > 0.0 {
        STEP.min(RAILS / count)
    } else {
        0.0
    };
    let left = step * count;
    let width = WIDTH - left;
    let mut at = vec![None; nodes.len()];
    let mut boxes = Vec::new();
    let mut hub_at = Vec::new();
    let mut y = 0.0;
    for hub in hubs {
        boxes.push(hub.draw(left, y, width));
        hub_at.push(y + 20.0);
        y += hub.height() + GAP;
        for &(node, _) in &hub.hosts {
            if at[node].is_none() {
                at[node] = Some(y);
                y += TALL + GAP;
            }
        }
    }
    for place in at.iter_mut().filter(|place| place.is_none()) {
        *place = Some(y);
        y += TALL + GAP;
    }
    for (node, place) in nodes.iter().zip(&at) {
        boxes.push(node.draw(left, place.unwrap_or_default(), width));
    }
    let mut x = step / 2.0;
    let mut lines = Vec::new();
    for (hub, top) in hubs.iter().zip(hub_at) {
        let hosts = hub.hosts.iter().filter_map(|&(node, _)| at[node]);
        let ends: Vec<f64> = hosts.map(|y| y + TALL / 2.0).chain([top]).collect();
        lines.push(Line {
            path: rail(x, left, &ends),
            mark: hub.mark,
            asked: hub.asked,
        });
        x += step;
    }
    Drawing {
        class: "narrow",
        width: WIDTH.into(),
        height: (y - GAP).max(1.0).into(),
        lines,
        boxes,
    }
}

/// A vertical line at `x` with a branch to `right` at each of `ends`.
fn rail(x: f64, right: f64, ends: &[f64]) -> String {
    let first = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let last = ends.iter().copied().fold(0.0, f64::max);
    let mut path = format!("M{x:.1} {first:.1}V{last:.1}");
    for y in ends {
        let _ = write!(path, "M{x:.1} {y:.1}H{right:.1}");
    }
    path
}
