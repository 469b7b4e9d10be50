//! A report as one page of HTML that needs nothing but itself: to look at, to print, to keep.
//!
//! It says first what is wrong and where, then shows how the hosts are joined, what was checked, what was
//! measured and how that went before. Everything reaches the page through templates that escape it, after
//! [`shown`] has spelled out what hides or reorders text; the page's own policy forbids it to load or run
//! anything. It is well-formed XML as well, so that a strict parser can vouch for it.
//!
//! Geometry is computed here and handed to the templates as numbers; [`Px`] is always finite.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deployctl_core::inventory::Inventory;
use deployctl_core::query::printable_line;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{About, Run};
use crate::report::Report;

mod history;
mod host;
mod number;
mod numbers;
mod place;
mod plot;
mod topology;
mod trouble;
mod verdict;

/// Longest text shown of one thing that was said, in characters.
const CAP: usize = 600;

/// Earlier runs that are shown: with this one, as many as fit side by side on a phone.
const RUNS: usize = 22;

const STYLE: &str = include_str!("html/style.css");

static PAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = env
        .syntax()
        .to_builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    env.set_syntax(syntax.expect("the default delimiters are valid"));
    for (name, source) in [
        ("page", include_str!("html/page.html")),
        ("marks", include_str!("html/marks.html")),
        ("sign", include_str!("html/sign.html")),
        ("plot", include_str!("html/plot.html")),
        ("topology", include_str!("html/topology.html")),
        ("troubles", include_str!("html/troubles.html")),
        ("hosts", include_str!("html/hosts.html")),
        ("numbers", include_str!("html/numbers.html")),
        ("history", include_str!("html/history.html")),
    ] {
        env.add_template(name, source)
            .expect("the page's templates are tested");
    }
    env
});

/// What the templates are filled with.
#[derive(Serialize)]
struct Page<'a> {
    style: Value,
    style_hash: String,
    cluster: &'a str,
    command: String,
    at: String,
    version: String,
    commit: Option<String>,
    dirty: bool,
    code: u8,
    verdict: verdict::Verdict,
    tally: Vec<verdict::Share>,
    troubles: trouble::Troubles,
    nearest: Vec<numbers::Near>,
    topology: topology::Topology,
    places: Vec<host::Card>,
    numbers: Vec<numbers::Group>,
    history: Option<history::Timelines>,
}

/// The page of `report`; `history` holds earlier runs, oldest first; the page shows the last ones.
#[expect(
    clippy::missing_panics_doc,
    reason = "the templates are tested with any report"
)]
pub fn html(inventory: &Inventory, report: &Report, history: &[Run], about: &About) -> String {
    let history = &history[history.len().saturating_sub(RUNS)..];
    let places = place::places(report);
    let page = Page {
        style: Value::from_safe_string(STYLE.to_owned()),
        style_hash: STANDARD.encode(Sha256::digest(STYLE)),
        cluster: inventory.cluster().name.as_str(),
        command: shown(&about.command),
        at: number::time(&about.at),
        version: shown(&about.version),
        commit: about.commit.as_deref().map(shown),
        dirty: about.dirty,
        code: report.verdict(false).code(),
        verdict: verdict::verdict(&places),
        tally: verdict::tally(&places),
        troubles: trouble::troubles(&places, history),
        nearest: numbers::nearest(&places),
        topology: topology::topology(inventory, report, &places),
        places: host::cards(inventory, &places),
        numbers: numbers::groups(&places, history),
        history: history::timelines(&places, history, &about.at),
    };
    PAGE.get_template("page")
        .and_then(|template| template.render(Value::from(Serde(page))))
        .expect("the page's templates are tested")
}

/// One line of what may come from a host, safe to show, and without what XML forbids.
fn shown(text: &str) -> String {
    cut(text, CAP)
}

/// [`shown`], of at most `cap` characters.
fn cut(text: &str, cap: usize) -> String {
    printable_line(text.as_bytes(), cap).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A count as a number to divide by.
#[expect(
    clippy::cast_precision_loss,
    reason = "nothing here is counted in quadrillions"
)]
fn float(count: usize) -> f64 {
    count as f64
}

/// A length or place in a drawing, in CSS pixels; a tenth is as fine as anything is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Px(f64);

impl Serialize for Px {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finite = if self.0.is_finite() { self.0 } else { 0.0 };
        // Adding zero turns a negative zero into a positive one.
        serializer.serialize_f64((finite.clamp(-1e6, 1e6) * 10.0).round() / 10.0 + 0.0)
    }
}

impl From<f64> for Px {
    fn from(value: f64) -> Self {
        Self(value)
    }
}
