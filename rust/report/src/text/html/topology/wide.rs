//! Three columns: hosts, links, hosts. Hosts without a link are below.

use super::{Drawing, Hub, Line, Node, TALL};

/// Width of the drawing, of a host's box and of a link's.
const WIDTH: f64 = 600.0;
const HOST: f64 = 158.0;
const HUB: f64 = 204.0;
/// Between two boxes of a column.
const GAP: f64 = 14.0;
/// Hosts without a link in a row.
const ROW: usize = 3;

pub(super) fn draw(nodes: &[Node], hubs: &[Hub]) -> Drawing {
    let (left, right) = sides(nodes.len(), hubs);
    let hubs_tall = stack(hubs.iter().map(Hub::height));
    let hosts_tall = |count: usize| stack((0..count).map(|_| TALL));
    let tall = hubs_tall
        .max(hosts_tall(left.len()))
        .max(hosts_tall(right.len()));
    let mut at = vec![None; nodes.len()];
    for (column, x) in [(&left, 0.0), (&right, WIDTH - HOST)] {
        let mut y = (tall - hosts_tall(column.len())) / 2.0;
        for &node in column {
            at[node] = Some((x, y));
            y += TALL + GAP;
        }
    }
    let mut boxes = Vec::new();
    let mut lines = Vec::new();
    let x = (WIDTH - HUB) / 2.0;
    let mut y = (tall - hubs_tall) / 2.0;
    for hub in hubs {
        boxes.push(hub.draw(x, y, HUB));
        for &(node, mark) in &hub.hosts {
            let Some(host) = at[node] else { continue };
            let asked = hub.asked && nodes[node].anchor.is_some();
            lines.push(Line {
                path: path(hub, host, (x, y)),
                mark,
                asked,
            });
        }
        y += hub.height() + GAP;
    }
    let end = place_alone(&mut at, tall);
    for (node, place) in nodes.iter().zip(&at) {
        if let Some((x, y)) = place {
            boxes.push(node.draw(*x, *y, HOST));
        }
    }
    Drawing {
        class: "wide",
        width: WIDTH.into(),
        height: end.max(1.0).into(),
        lines,
        boxes,
    }
}

/// Places in rows below `tall` whatever is on no link; returns where the last row ends.
fn place_alone(at: &mut [Option<(f64, f64)>], tall: f64) -> f64 {
    let top = if tall > 0.0 { tall + GAP * 1.5 } else { tall };
    let step = (WIDTH - HOST) / 2.0;
    let (mut x, mut y, mut end) = (0.0, top, tall);
    for (n, place) in at.iter_mut().filter(|it| it.is_none()).enumerate() {
        if n % ROW == 0 && n > 0 {
            x = 0.0;
            y += TALL + GAP;
        }
        *place = Some((x, y));
        x += step;
        end = y + TALL;
    }
    end
}

/// Puts hosts to the left or right, in the order of links, where there is more room.
fn sides(nodes: usize, hubs: &[Hub]) -> (Vec<usize>, Vec<usize>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut placed = vec![false; nodes];
    for &(node, _) in hubs.iter().flat_map(|hub| &hub.hosts) {
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        if left.len() <= right.len() {
            left.push(node);
        } else {
            right.push(node);
        }
    }
    (left, right)
}

fn stack(heights: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = heights.fold((0.0, 0.0), |(count, sum), tall| (count + 1.0, sum + tall));
    if count > 0.0 {
        sum + GAP * (count - 1.0)
    } else {
        0.0
    }
}

/// From the middle of the host's side to the link's side, at the height where they come nearest.
fn path(hub: &Hub, host: (f64, f64), link: (f64, f64)) -> String {
    let from_y = host.1 + TALL / 2.0;
    let to_y = from_y.clamp(link.1 + 16.0, link.1 + hub.height() - 16.0);
    let (from_x, to_x) = if host.0 < link.0 {
        (host.0 + HOST, link.0)
    } else {
        (host.0, link.0 + HUB)
    };
    let middle = f64::midpoint(from_x, to_x);
    format!(
        "M{from_x:.1} {from_y:.1}C{middle:.1} {from_y:.1} {middle:.1} {to_y:.1} {to_x:.1} {to_y:.1}"
    )
}
