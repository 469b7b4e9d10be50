//! Shortens Nix's error messages to what a user needs.

use std::path::Path;

/// The last error in Nix's output (the lines above it are the stack trace), after its place, with
/// paths relative to the repository.
pub(super) fn shorten(words: &str, top: &Path) -> String {
    let prefix = format!("{}/", top.display());
    let words = plain(words).replace(&prefix, "");
    let lines: Vec<&str> = words.lines().map(str::trim).collect();
    let Some((at, error)) = lines
        .iter()
        .enumerate()
        .filter_map(|(i, line)| Some((i, line.strip_prefix("error: ")?)))
        .rfind(|(_, rest)| !rest.is_empty())
    else {
        let last = lines.iter().rfind(|line| !line.is_empty());
        return last.map_or_else(
            || "nix failed without a word".to_owned(),
            ToString::to_string,
        );
    };
    let after = &lines[at + 1..];
    let place = after
        .iter()
        .find_map(|line| line.strip_prefix("at "))
        .and_then(|place| place.split_whitespace().next())
        .map(|place| format!("{}: ", place.trim_end_matches(':')))
        .unwrap_or_default();
    let meant = after
        .iter()
        .find(|line| line.starts_with("Did you mean"))
        .map(|line| {
            format!(
                " ({})",
                line.trim_end_matches('?').replace("Did", "did") + "?"
            )
        })
        .unwrap_or_default();
    format!("{place}{error}{meant}")
}

/// Removes what a terminal would interpret.
pub(super) fn plain(words: &str) -> String {
    let mut kept = String::with_capacity(words.len());
    let mut rest = words.chars();
    while let Some(c) = rest.next() {
        match c {
            // A colour: everything up to its final letter.
            '\x1b' => {
                let _ = rest.by_ref().find(char::is_ascii_alphabetic);
            }
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of several versions of Nix.
    #[test]
    fn the_error_remains_and_the_trace_goes() {
        let cases = [
            "error: syntax error, unexpected ';'\n\n       at /r/hosts/cuda/default.nix:1:14:\n\n            1| { a = 1; b = ; }\n",
            "\x1b[31;1merror:\x1b[0m undefined variable '\x1b[35;1mx\x1b[0m'\n\n       at \x1b[35;1m/r/hosts/cuda/default.nix:1:7\x1b[0m:\n",
            "error: hosts/cluster.nix: no platform\n(use '--show-trace' to show detailed location information)\n",
            "error:\n       … while evaluating the attribute 'hosts'\n         at /r/hosts/default.nix:175:3:\n          174|\n       … while calling the 'throw' builtin\n         at /r/hosts/default.nix:170:3:\n\n       error: no platform has the defaults `ubuntoo`\n",
            "error: attribute 'tiemzone' missing\n\n       at /r/hosts/cuda/default.nix:3:5:\n\n            2|\n       Did you mean timezone?\n",
            "warning: something\nnix: cannot do that",
            "",
        ];
        let said: Vec<String> = cases
            .iter()
            .map(|words| shorten(words, Path::new("/r")))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        hosts/cuda/default.nix:1:14: syntax error, unexpected ';'
        hosts/cuda/default.nix:1:7: undefined variable 'x'
        hosts/cluster.nix: no platform
        no platform has the defaults `ubuntoo`
        hosts/cuda/default.nix:3:5: attribute 'tiemzone' missing (did you mean timezone?)
        nix: cannot do that
        nix failed without a word
        ");
    }
}
