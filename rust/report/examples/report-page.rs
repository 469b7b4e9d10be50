//! Prints a page to look at: `cargo run -p deployctl-report --example report-page rich > page.html`.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

use std::io::Write as _;

use deployctl_report::text::html;

#[path = "../tests/report/fixture/mod.rs"]
mod fixture;

fn main() -> std::io::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some(made) = fixture::named(&wanted) else {
        return Err(std::io::Error::other("which? rich, well, many or hostile"));
    };
    let page = html(&made.inventory, &made.report, &made.history, &made.about);
    std::io::stdout().write_all(page.as_bytes())
}
