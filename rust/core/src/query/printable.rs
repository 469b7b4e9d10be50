//! What a host sent, made safe to show.

use std::fmt::Write as _;

/// Bytes of a text that are shown at most; the rest is counted.
pub const PRINTABLE_CAP: usize = 64 * 1024;

/// `bytes` as text for a terminal, several lines.
///
/// Terminal sequences vanish; other control characters, and those that reorder or hide text (bidi
/// overrides, zero-width), are spelled out (`\x07`, `\u{202e}`); broken UTF-8 becomes U+FFFD;
/// beyond [`PRINTABLE_CAP`] only the number of bytes is shown.
pub fn printable(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(PRINTABLE_CAP)];
    let mut text = clean(&String::from_utf8_lossy(kept), true);
    if kept.len() < bytes.len() {
        let _ = write!(text, "… ({} bytes more)", bytes.len() - kept.len());
    }
    text
}

/// `bytes` as one line of at most `cap` characters; line ends are spelled out (`\n`).
pub fn printable_line(bytes: &[u8], cap: usize) -> String {
    let kept = &bytes[..bytes.len().min(PRINTABLE_CAP)];
    let lossy = String::from_utf8_lossy(kept);
    let text = clean(lossy.trim_end_matches(['\r', '\n']), false);
    if text.chars().count() > cap {
        text.chars()
            .take(cap.saturating_sub(1))
            .chain(['…'])
            .collect()
    } else {
        text
    }
}

fn clean(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' if lines => out.push('\n'),
            '\t' if lines => out.push('\t'),
            '\r' if lines && chars.peek() == Some(&'\n') => {}
            '\n' => out.push_str("\\n"),
            '\t' => out.push(' '),
            '\r' => out.push_str("\\r"),
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            c if (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if deceives(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// What follows ESC (ECMA-48): a control sequence, a string up to its terminator, or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next_if(|&c| c != '\n') {
                if c == '\x07' || c == '\u{9c}' {
                    break;
                }
                if c == '\x1b' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some(&c) if !c.is_control() => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| ('\x20'..='\x3f').contains(c)).is_some() {}
    chars.next_if(|c| ('\x40'..='\x7e').contains(c));
}

/// Characters that no terminal shows and that change how their neighbours look.
fn deceives(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_spelled_out() {
        let cases: &[&[u8]] = &[
            b"\x1b[31mred\x1b[0m \x1b[2J\x1b[Hgone",
            b"\x1b]0;title\x07after \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
            b"\x1bPq#0\x1b\\sixel \x9b31mC1",
            b"bell\x07 back\x08 nul\x00 del\x7f",
            b"one\r\ntwo\rthree\n",
            "user \u{202e}txt.exe\u{202c} zero\u{200b}width".as_bytes(),
            b"broken \xff\xfe utf-8",
            b"\x1b",
            b"\x1b[",
            b"\x1b]unterminated\nnext line",
        ];
        let shown: Vec<_> = cases
            .iter()
            .map(|bytes| format!("{:?}\n{:?}", printable(bytes), printable_line(bytes, 60)))
            .collect();
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn length_is_capped() {
        let long = vec![b'a'; PRINTABLE_CAP + 5];
        assert!(printable(&long).ends_with("a… (5 bytes more)"));
        assert_eq!(printable_line(b"abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_comes_through(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for c in printable(&bytes).chars() {
                prop_assert!(c == '\n' || c == '\t' || !c.is_control());
                prop_assert!(!deceives(c));
            }
            prop_assert!(!printable_line(&bytes, 80).contains(['\n', '\t', '\r', '\x1b']));
        }
    }
}
