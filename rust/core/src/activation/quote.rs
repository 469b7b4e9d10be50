//! Quoting for sh.

pub use crate::query::quote as sh;

/// `text` bare when a shell would read it as the same single word, else [`sh`]-quoted; for scripts
/// that people read.
pub fn word(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with('=')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-@+:%=,".contains(&b));
    if plain { text.to_owned() } else { sh(text) }
}
