//! Lists in sentences.

/// The first three words, quoted, and how many more.
pub(super) fn list(words: &[String]) -> String {
    let shown: Vec<_> = words.iter().take(3).map(|w| format!("`{w}`")).collect();
    match words.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
