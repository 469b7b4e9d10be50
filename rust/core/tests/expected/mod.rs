//! Pages of cases with what must come of them, which a test compares and writes anew when told to.

use std::path::Path;

use similar::TextDiff;

/// Compares the file at `path` with the `text` that it should hold: a difference, or nothing.
///
/// `INSTA_UPDATE=always` writes the file instead, as it does with snapshots.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read and write their pages"
)]
pub(crate) fn compare(path: &Path, text: &str) -> Option<String> {
    let old = std::fs::read_to_string(path).expect("the page is there");
    if old == text {
        return None;
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(path, text).expect("the page can be written");
        return None;
    }
    let diff = TextDiff::from_lines(old.as_str(), text);
    let header = path.display().to_string();
    let mut unified = diff.unified_diff();
    Some(unified.header(&header, "as it is now").to_string())
}
