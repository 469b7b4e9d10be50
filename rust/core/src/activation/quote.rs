//! Quoting for sh.

/// `text` as one word of a POSIX shell, in single quotes.
///
/// Every byte but NUL survives; NUL cannot be in a word and is left out.
pub fn sh(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

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
