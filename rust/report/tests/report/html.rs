//! The page, as a strict parser sees it.

use std::sync::LazyLock;

use deployctl_checks::CheckStatus;
use deployctl_core::inventory::Inventory;
use deployctl_report::text::{About, Run, html};
use deployctl_report::{HostReport, Outcome, Report};
use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use crate::any;
use crate::fixture::{self, Fixture, check, fail, name, named};

fn page(fixture: &Fixture) -> String {
    html(
        &fixture.inventory,
        &fixture.report,
        &fixture.history,
        &fixture.about,
    )
}

/// Reads `page` as XML and holds it against what every page must be.
fn sound(page: &str) -> Result<(), String> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(page, options).map_err(|e| e.to_string())?;
    let mut ids = std::collections::BTreeSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        if !TAGS.contains(&tag) {
            return Err(format!("an element `{tag}`"));
        }
        for attribute in node.attributes() {
            allowed(tag, attribute.name(), attribute.value())?;
            if attribute.name() == "id" && !ids.insert(attribute.value()) {
                return Err(format!("two elements with the id `{}`", attribute.value()));
            }
        }
    }
    let mut to = document.descendants().filter_map(|n| n.attribute("href"));
    match to.find(|to| !ids.contains(&to[1..])) {
        Some(to) => Err(format!("a link to `{to}`, which is not there")),
        None => Ok(()),
    }
}

/// All that a page is made of.
const TAGS: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "section",
    "article",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "span",
    "b",
    "small",
    "code",
    "pre",
    "time",
    "a",
    "details",
    "summary",
    "figure",
    "figcaption",
    "svg",
    "defs",
    "symbol",
    "use",
    "g",
    "path",
    "rect",
    "circle",
    "polyline",
    "text",
];

/// Attributes that are numbers.
const NUMBERS: &[&str] = &["x", "y", "width", "height", "cx", "cy", "r", "rx"];

fn allowed(tag: &str, name: &str, value: &str) -> Result<(), String> {
    let wrong = || Err(format!("`{name}=\"{value}\"` in `{tag}`"));
    if name.starts_with("on") || name == "style" || name == "src" {
        return wrong();
    }
    if name == "href" && !value.starts_with('#') {
        return wrong();
    }
    if NUMBERS.contains(&name)
        && !value
            .parse::<f64>()
            .is_ok_and(|v| v.is_finite() && v.abs() <= 1e5)
    {
        return wrong();
    }
    if matches!(name, "width" | "height" | "r") && value.starts_with('-') {
        return wrong();
    }
    if matches!(name, "d" | "points" | "viewBox")
        && (value.contains("NaN") || value.contains("inf"))
    {
        return wrong();
    }
    Ok(())
}

#[test]
fn every_page_is_sound() {
    for which in ["rich", "well", "many", "hostile"] {
        let page = page(&named(which).unwrap());
        if let Err(wrong) = sound(&page) {
            panic!("{which}: {wrong}");
        }
    }
}

#[test]
fn what_a_host_sends_is_no_markup_and_hides_nothing() {
    let page = page(&named("hostile").unwrap());
    for bad in [
        "<script",
        "<img",
        "onerror=\"",
        "\u{202e}",
        "\u{200b}",
        "\x1b",
        "\0",
    ] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(page.contains("{{ 7 * 7 }}"));
    assert!(page.contains(r"\u{202e}txt.exe"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(&named("rich").unwrap());
    for word in [
        "http:", "https:", "url(", "@import", "<link", "<script", "<img", "srcset",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src &#x27;none&#x27;") || page.contains("default-src 'none'"));
}

/// A report small enough to be read in full.
fn small() -> Fixture {
    let mut fixture = named("rich").unwrap();
    let mut host = HostReport::ended(name("cuda"), Outcome::Verified);
    host.checks = vec![
        fail(
            "hugepages/pool",
            "HugePages_Total is 2048",
            "HugePages_Total: 1024",
            "reboot",
        ),
        check(
            "time/offset",
            CheckStatus::Pass,
            "off by 1 ms at most",
            "0.04 ms",
        ),
        check(
            "trading/jitter",
            CheckStatus::Skip {
                reason: "sandbox".into(),
            },
            "50 µs at most",
            "",
        ),
    ];
    fixture.report = Report::new("verify", vec![host]);
    fixture.history.clear();
    fixture
}

#[test]
fn a_small_page() {
    let page = page(&small());
    let end = page.find("<body>").unwrap();
    // As a reader sees it.
    insta::assert_snapshot!(page[end..].replace("&#x2f;", "/"));
}

/// What is in the line that is read first.
fn verdict(report: Report) -> String {
    let fixture = Fixture { report, ..small() };
    let page = page(&fixture);
    let from = page.find("<h1").unwrap();
    let to = page[from..].find("</h1>").unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in page[from..from + to].chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&#x2f;", "/").trim().to_owned()
}

#[test]
fn the_verdict_says_what_is_wrong_where() {
    let all = named("rich").unwrap().report;
    let only = |names: &[&str]| {
        let mut report = all.clone();
        report.hosts.retain(|h| names.contains(&h.host.as_str()));
        report.links.clear();
        report
    };
    let with = |checks: Vec<_>| {
        let mut report = only(&["cuda"]);
        report.hosts[0].checks = checks;
        report
    };
    let bad = |n: usize| {
        (0..n)
            .map(|n| fail(&format!("time/check-{n}"), "", "", ""))
            .collect::<Vec<_>>()
    };
    let stale = check(
        "kernel/cmdline",
        CheckStatus::Stale {
            reason: String::new(),
        },
        "",
        "",
    );
    let error = check(
        "power/ups",
        CheckStatus::Error {
            reason: String::new(),
        },
        "",
        "",
    );
    let skip = check(
        "time/offset",
        CheckStatus::Skip {
            reason: "sandbox".into(),
        },
        "",
        "",
    );
    let pass = check("time/offset", CheckStatus::Pass, "", "");
    let cases = [
        all.clone(),
        named("well").unwrap().report,
        named("many").unwrap().report,
        only(&["linode"]),
        only(&["macbook"]),
        only(&["macbook", "cuda"]),
        with(bad(1)),
        with(bad(3)),
        with(bad(5)),
        with([bad(1), vec![stale.clone()]].concat()),
        with([bad(4), vec![stale.clone(), error.clone()]].concat()),
        with(vec![error.clone()]),
        with(vec![error.clone(), error]),
        with(vec![stale.clone()]),
        with(vec![stale.clone(), stale]),
        with(vec![skip.clone()]),
        with(vec![pass, skip]),
        with(vec![]),
        only(&[]),
    ];
    let lines: Vec<_> = cases.into_iter().map(verdict).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    macbook could not be reached · 2 checks fail on cuda, 2 more need a look · lan10g/throughput/mac-mini-to-cuda fails on lan10g
    All 49 checks that were made hold on 4 hosts and 1 link
    macbook could not be reached · 2 checks fail on cuda, 2 more need a look · kernel/check-2 fails on node-03 · 6 more places
    All 6 checks that were made hold on 1 host
    macbook could not be reached
    macbook could not be reached · 2 checks fail on cuda, 2 more need a look
    time/check-0 fails on cuda
    3 checks fail on cuda: time/check-0, time/check-1, time/check-2
    5 checks fail on cuda: time/check-0, time/check-1, time/check-2 and 2 more
    time/check-0 fails on cuda, and 1 more need a look
    4 checks fail on cuda: time/check-0, time/check-1, time/check-2 and 3 more
    power/ups could not be read on cuda
    2 checks could not be read on cuda: power/ups, power/ups
    kernel/cmdline waits for a reboot on cuda
    2 checks wait for a reboot on cuda: kernel/cmdline, kernel/cmdline
    Nothing was proven: 1 check skipped
    The one check that was made holds on 1 host
    Nothing was checked
    Nothing was checked
    ");
}

fn of(
    inventory: &Inventory,
    report: &Report,
    history: &[Run],
    about: &About,
) -> Result<(), TestCaseError> {
    sound(&html(inventory, report, history, about)).map_err(TestCaseError::fail)
}

/// Read once: it takes longer than a page.
static FACTS: LazyLock<Inventory> = LazyLock::new(|| named("rich").unwrap().inventory);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_report_is_a_sound_page(report in any::report(), history in any::history(), text: String) {
        let about = About { command: text.clone(), commit: Some(text), ..fixture::about() };
        of(&FACTS, &report, &history, &about)?;
    }
}
