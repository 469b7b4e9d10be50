//! A host as it is drawn.

use deployctl_checks::gate::Tally;
use deployctl_core::inventory::Inventory;

use super::super::place::Place;
use super::super::plot::width_of;
use super::super::{Px, cut, host};
use super::{Box, INSIDE, NAME, SMALL, TALL, Words, fit};
use crate::text::html::place::Mark;

/// A host as it is drawn.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) system: String,
    pub(super) tags: Vec<String>,
    pub(super) told: String,
    pub(super) mark: Mark,
    pub(super) anchor: Option<String>,
}

pub(super) fn node(inventory: &Inventory, places: &[Place<'_>], name: &str) -> Node {
    let place = places.iter().find(|p| p.host.is_some() && p.name == name);
    let facts = inventory
        .hosts()
        .iter()
        .find(|(host, _)| host.as_str() == name);
    Node {
        name: cut(name, 63),
        system: facts.map_or_else(String::new, |(_, host)| host::system(host)),
        tags: facts.map_or_else(Vec::new, |(_, host)| {
            host.tags
                .iter()
                .map(|tag| tag.as_str().to_owned())
                .collect()
        }),
        told: place.map_or_else(|| "not asked".to_owned(), told),
        mark: place.map_or(Mark::Skip, Place::mark),
        anchor: place.map(|p| p.anchor.clone()),
    }
}

/// `31 hold`, `2 of 33 wrong`, `unreachable`.
fn told(place: &Place<'_>) -> String {
    if let Some(end) = &place.end {
        return end.word.replace('-', " ");
    }
    let tally = Tally::of(place.checks);
    let bad = tally.fail + tally.error + tally.stale;
    match (bad, tally.pass, tally.skip) {
        (0, 0, 0) => "nothing asked".to_owned(),
        (0, 0, skip) => format!("{skip} skipped"),
        (0, pass, _) => format!("{pass} hold"),
        (bad, ..) => format!("{bad} of {} wrong", place.checks.len()),
    }
}

impl Node {
    pub(super) fn draw(&self, x: f64, y: f64, width: f64) -> Box {
        let room = width - 2.0 * INSIDE;
        // Whole words only: a tag that was cut is another tag.
        let tags = self.tags.iter().fold(String::new(), |tags, tag| {
            let more = if tags.is_empty() {
                tag.clone()
            } else {
                format!("{tags} · {tag}")
            };
            if width_of(&more, SMALL) <= room {
                more
            } else {
                tags
            }
        });
        let line = |class, y, text: &str, room, size| Words {
            class,
            x: (x + INSIDE).into(),
            y: Px(y),
            anchor: "start",
            text: fit(text, room, size),
            mark: None,
        };
        Box {
            class: if self.anchor.is_some() {
                "host"
            } else {
                "host unasked"
            },
            mark: self.mark,
            anchor: self.anchor.clone(),
            title: format!("{}: {}", self.name, self.told),
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: TALL.into(),
            words: vec![
                line("name", y + 21.0, &self.name, room - 20.0, NAME),
                line("told", y + 38.0, &self.told, room, SMALL),
                line("dim", y + 55.0, &self.system, room, SMALL),
                line("dim", y + 70.0, &tags, room, SMALL),
            ],
        }
    }
}
