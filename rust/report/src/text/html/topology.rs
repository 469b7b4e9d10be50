//! How the hosts are joined: a box for each host, one for each link between them, and lines from one to
//! the other. Words are only in boxes and lines only between columns, so that nothing overlaps
//! however many there are. Drawn twice, for a wide page and a narrow one.

use std::collections::BTreeSet;

use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use serde::Serialize;

use super::Px;
use super::place::{Mark, Place};
use super::plot::width_of;
use crate::report::Report;

mod hub;
mod narrow;
mod node;
mod wide;

use hub::{Hub, hub};
use node::{Node, node};

/// Size of a name, and of the text below it, in pixels.
const NAME: f64 = 13.0;
const SMALL: f64 = 11.0;
/// Height of a host's box.
const TALL: f64 = 80.0;
/// What stays free around the words in a box.
const INSIDE: f64 = 12.0;
/// Both drawings, and the same in words.
#[derive(Serialize)]
pub(super) struct Topology {
    drawings: Vec<Drawing>,
    described: Vec<String>,
}

/// One drawing.
#[derive(Serialize)]
struct Drawing {
    class: &'static str,
    width: Px,
    height: Px,
    lines: Vec<Line>,
    boxes: Vec<Box>,
}

/// A host's line to a link.
#[derive(Serialize)]
struct Line {
    path: String,
    mark: Mark,
    /// Whether anything was asked of the link.
    asked: bool,
}

/// A host or a link.
#[derive(Serialize)]
struct Box {
    class: &'static str,
    mark: Mark,
    anchor: Option<String>,
    title: String,
    x: Px,
    y: Px,
    width: Px,
    height: Px,
    words: Vec<Words>,
}

/// A word or a line of them.
#[derive(Serialize)]
struct Words {
    class: &'static str,
    x: Px,
    y: Px,
    /// `start` or `end`.
    anchor: &'static str,
    text: String,
    /// A sign before it.
    mark: Option<Mark>,
}

/// All hosts of the inventory and of the report, and the links between them.
pub(super) fn topology(inventory: &Inventory, report: &Report, places: &[Place<'_>]) -> Topology {
    let mut names: Vec<&str> = report.hosts.iter().map(|h| h.host.as_str()).collect();
    let asked: BTreeSet<&str> = names.iter().copied().collect();
    let others = inventory.hosts().keys().map(HostName::as_str);
    names.extend(others.filter(|name| !asked.contains(name)));
    let nodes: Vec<Node> = names
        .iter()
        .map(|name| node(inventory, places, name))
        .collect();
    let mut hubs: Vec<Hub> = inventory
        .cluster()
        .links
        .iter()
        .map(|(label, link)| hub(label.as_str(), Some(link), places, &names))
        .collect();
    for link in &report.links {
        if !hubs.iter().any(|hub| hub.name == link.link) {
            hubs.push(hub(&link.link, None, places, &names));
        }
    }
    Topology {
        described: described(&nodes, &hubs),
        drawings: vec![wide::draw(&nodes, &hubs), narrow::draw(&nodes, &hubs)],
    }
}

fn described(nodes: &[Node], hubs: &[Hub]) -> Vec<String> {
    let hosts = nodes
        .iter()
        .map(|node| format!("{}: {}.", node.name, node.told));
    let links = hubs.iter().map(|hub| {
        let joined: Vec<_> = hub
            .hosts
            .iter()
            .map(|&(n, _)| nodes[n].name.as_str())
            .collect();
        let measured: Vec<_> = hub
            .quantities
            .iter()
            .map(|q| {
                let ways: Vec<_> = q.ways.iter().map(|way| way.text.as_str()).collect();
                format!("{} {} ({})", q.what, ways.join(", "), q.limit)
            })
            .collect();
        format!(
            "{} joins {}. {}",
            hub.name,
            joined.join(", "),
            measured.join("; ")
        )
    });
    hosts.chain(links).collect()
}

/// `text`, cut so that it is no wider than `room` at `size`.
fn fit(text: &str, room: f64, size: f64) -> String {
    if width_of(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width_of(&kept, size) + width_of("…", size) > room {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end_matches([' ', '·']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::hub::Quantity;
    use super::*;

    fn hub(hosts: Vec<usize>, quantities: usize) -> Hub {
        let quantity = || Quantity {
            what: "throughput".into(),
            limit: "≥ 9.4 Gbit/s".into(),
            ways: Vec::new(),
        };
        Hub {
            name: "lan".into(),
            facts: "10.0.0.0/24 · MTU 9000".into(),
            mark: Mark::Pass,
            asked: true,
            anchor: None,
            quantities: std::iter::repeat_with(quantity).take(quantities).collect(),
            unmeasured: (quantities == 0).then(String::new),
            hosts: hosts.into_iter().map(|host| (host, Mark::Pass)).collect(),
        }
    }

    fn node() -> Node {
        Node {
            name: "host".into(),
            system: "Ubuntu 24.04".into(),
            tags: Vec::new(),
            told: "3 hold".into(),
            mark: Mark::Pass,
            anchor: None,
        }
    }

    fn apart(a: &Box, b: &Box) -> bool {
        let beside = |a: &Box, b: &Box| a.x.0 + a.width.0 <= b.x.0;
        let above = |a: &Box, b: &Box| a.y.0 + a.height.0 <= b.y.0;
        beside(a, b) || beside(b, a) || above(a, b) || above(b, a)
    }

    proptest! {
        #[test]
        fn boxes_never_touch(
            count in 1_usize..31,
            links in prop::collection::vec((prop::collection::btree_set(0_usize..30, 0..30), 0_usize..5), 0..7),
        ) {
            let nodes: Vec<_> = std::iter::repeat_with(node).take(count).collect();
            let hubs: Vec<_> = links
                .into_iter()
                .map(|(hosts, n)| hub(hosts.into_iter().filter(|host| *host < count).collect(), n))
                .collect();
            for drawing in [wide::draw(&nodes, &hubs), narrow::draw(&nodes, &hubs)] {
                prop_assert_eq!(drawing.boxes.len(), nodes.len() + hubs.len());
                for (n, a) in drawing.boxes.iter().enumerate() {
                    prop_assert!(a.x.0 >= 0.0 && a.x.0 + a.width.0 <= drawing.width.0);
                    prop_assert!(a.y.0 >= 0.0 && a.y.0 + a.height.0 <= drawing.height.0 + 1e-6);
                    prop_assert!(drawing.boxes[..n].iter().all(|b| apart(a, b)));
                }
            }
        }
    }
}
