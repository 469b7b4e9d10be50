//! Escaping: what a value may look like inside each kind of target file.
//!
//! A target file names its syntax in `module.toml`, and every `{{ … }}` in its template is written
//! by that syntax. If the target's own quoting is dependable, the value is escaped; if it is
//! not (it differs between directives, or does not exist), the value is rejected. Either way a value
//! stays one word of the file it is written to.

use serde::Deserialize;

/// The grammar of a target file, as far as a value inside it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// systemd units and systemd's other configuration files.
    Unit,
    /// YAML; a value becomes a double-quoted scalar, so templates put no quotes around it.
    Yaml,
    /// nftables.
    Nft,
    /// POSIX shell and files of shell assignments; a value is quoted, so templates put no quotes
    /// around it.
    Sh,
    /// sudoers.
    Sudoers,
    /// The kernel's command line inside `/etc/default/grub.d`: read by a shell, then by GRUB's own
    /// script language, then split by the kernel.
    Grub,
    /// Lines of words without any quoting: sshd, chrony, sysusers, tmpfiles, limits, hosts,
    /// modprobe, modules-load, Kconfig fragments.
    Words,
    /// `sysctl.d`; a value is the rest of its line and may hold inner spaces.
    Sysctl,
    /// apt's configuration and preferences.
    Apt,
    /// Perl configuration (needrestart); a value is a word inside a regular expression.
    Perl,
    /// Text that no program reads back: nothing but control characters is refused.
    Plain,
}

/// Why a value cannot be written; the value itself is added by the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unwritable {
    reason: String,
}

fn unwritable<T>(reason: impl Into<String>) -> Result<T, Unwritable> {
    Err(Unwritable {
        reason: reason.into(),
    })
}

impl Syntax {
    /// All of them, for tables.
    pub const ALL: [Self; 11] = [
        Self::Unit,
        Self::Yaml,
        Self::Nft,
        Self::Sh,
        Self::Sudoers,
        Self::Grub,
        Self::Words,
        Self::Sysctl,
        Self::Apt,
        Self::Perl,
        Self::Plain,
    ];

    /// Its name in `module.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Yaml => "yaml",
            Self::Nft => "nft",
            Self::Sh => "sh",
            Self::Sudoers => "sudoers",
            Self::Grub => "grub",
            Self::Words => "words",
            Self::Sysctl => "sysctl",
            Self::Apt => "apt",
            Self::Perl => "perl",
            Self::Plain => "plain",
        }
    }

    /// The syntax of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|syntax| syntax.name() == name)
    }

    /// Writes `text` as one word (in YAML and shell: one string) of a file of this syntax.
    pub fn word(self, text: &str) -> Result<String, Unwritable> {
        refuse_control(text)?;
        match self {
            Self::Plain => return Ok(text.to_owned()),
            // A JSON string is a YAML double-quoted scalar.
            Self::Yaml => return Ok(serde_json::Value::from(text).to_string()),
            Self::Sh => return Ok(single_quoted(text)),
            _ => {}
        }
        let Some(first) = text.chars().next() else {
            return unwritable("it is empty, which would leave a setting without its value");
        };
        // What a word may begin with, besides letters, digits, `_` and `/`. Prefixes change what is
        // meant: `+` runs a command with all rights, `@` names a group, `-` makes an option or lets
        // a failure pass.
        let (first_too, rest_too) = match self {
            Self::Unit => (":.", "_.,:/=@+-%"),
            Self::Sysctl => ("+-", "_.,:/=@+- "),
            Self::Nft => (":", "_.:/-"),
            Self::Sudoers => ("", "_/-"),
            Self::Grub => ("", "_.,:/=@+-%"),
            Self::Words => (":.", "_.,:/=@+-"),
            Self::Apt => ("*", "_.:=+-~*?"),
            Self::Perl => ("", "_-.@"),
            Self::Plain | Self::Yaml | Self::Sh => ("", ""),
        };
        if !first.is_ascii_alphanumeric() && !"_/".contains(first) && !first_too.contains(first) {
            return unwritable(format!("it begins with `{first}`"));
        }
        only(text, rest_too)?;
        match self {
            // `%` opens a specifier, and doubling it is understood everywhere specifiers are.
            Self::Unit => Ok(text.replace('%', "%%")),
            Self::Perl => Ok(text.replace('.', r"\.").replace('@', r"\@")),
            // Words with a capital are aliases, and `ALL` is everybody.
            Self::Sudoers if first.is_ascii_uppercase() => {
                unwritable("it begins with a capital letter, as an alias does")
            }
            _ => trimmed(text),
        }
    }

    /// Writes `text` as the free rest of a line (a description, a public key with its comment).
    pub fn line(self, text: &str) -> Result<String, Unwritable> {
        refuse_control(text)?;
        match self {
            Self::Plain | Self::Yaml | Self::Sh => self.word(text),
            Self::Nft | Self::Sudoers | Self::Grub | Self::Perl | Self::Sysctl => {
                unwritable(format!("{} files hold no free text", self.name()))
            }
            // A trailing backslash would take in the next line.
            Self::Unit if text.contains('\\') => unwritable("it holds `\\`"),
            Self::Unit => Ok(trimmed(text)?.replace('%', "%%")),
            Self::Apt if text.contains(['"', '\\', ';', ',']) => {
                unwritable("it holds one of `\"`, `\\`, `;` and `,`")
            }
            Self::Words if text.ends_with('\\') => unwritable("it ends in `\\`"),
            Self::Words if text.starts_with('#') => unwritable("it begins with `#`"),
            Self::Apt | Self::Words => trimmed(text),
        }
    }
}

/// Line ends and control characters end a value in nearly every syntax, and the C1 range and the
/// Unicode line separators do so in some readers; direction marks show a reviewer another text.
fn refuse_control(text: &str) -> Result<(), Unwritable> {
    let hidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    match text.chars().find(hidden) {
        Some(c) => unwritable(format!(
            "it holds the control character `{}`",
            c.escape_default()
        )),
        None => Ok(()),
    }
}

/// ASCII letters, digits and `also`; nothing else.
fn only(text: &str, also: &str) -> Result<String, Unwritable> {
    match text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !also.contains(*c))
    {
        Some(' ') => unwritable("it holds a space, which would make it several words"),
        Some(c) => unwritable(format!("it holds `{c}`")),
        None => Ok(text.to_owned()),
    }
}

fn trimmed(text: &str) -> Result<String, Unwritable> {
    if text.trim() == text && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        unwritable("it is empty, or begins or ends with a space")
    }
}

fn single_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// Values that mean something to one reader or another.
    const NASTY: [&str; 39] = [
        "plain",
        "10.0.0.1/24",
        "2001:db8::1/64",
        "::1",
        "a,b=c@d",
        "",
        " ",
        "two words",
        " led",
        "trailed ",
        "line\nbreak",
        "return\rcarriage",
        "tab\tstop",
        "nul\0byte",
        "escape\u{1b}[2J",
        "next\u{85}line",
        "separator\u{2028}line",
        "right\u{202e}left",
        "100%",
        "%h/x",
        "$HOME",
        "${x}",
        "$(id)",
        "`id`",
        "it's",
        "say \"hi\"",
        "back\\slash",
        "end\\",
        "a;b",
        "a|b",
        "a#b",
        "#comment",
        "!negated",
        "-option",
        "+privileged",
        "@group",
        "*",
        "ALL",
        "{{ host.name }}{% raw %}",
    ];

    fn table(
        syntaxes: &[Syntax],
        write: impl Fn(Syntax, &str) -> Result<String, Unwritable>,
    ) -> String {
        let mut text = String::new();
        for &syntax in syntaxes {
            let _ = writeln!(text, "[{}]", syntax.name());
            for value in NASTY {
                let _ = match write(syntax, value) {
                    Ok(written) => writeln!(text, "  {value:<26?} → {written}"),
                    Err(why) => writeln!(text, "  {value:<26?}   refused: {why}"),
                };
            }
        }
        text
    }

    #[test]
    fn words() {
        insta::assert_snapshot!(table(&Syntax::ALL, Syntax::word));
    }

    #[test]
    fn lines() {
        let with_lines = [Syntax::Unit, Syntax::Words, Syntax::Apt];
        for syntax in Syntax::ALL {
            let has_lines = syntax
                .line("two words")
                .is_ok_and(|line| line == "two words");
            let known = with_lines.contains(&syntax) || syntax == Syntax::Plain;
            assert_eq!(has_lines, known, "{syntax:?}");
        }
        insta::assert_snapshot!(table(&with_lines, Syntax::line));
    }

    proptest! {
        #[test]
        fn a_word_stays_one_word(text in r#"[ -~\n\t\r\\'"`$%;#{}é😀]{0,12}"#) {
            for syntax in Syntax::ALL {
                let Ok(written) = syntax.word(&text) else { continue };
                prop_assert!(!written.contains(['\n', '\r']), "{syntax:?} {written:?}");
                match syntax {
                    Syntax::Plain => prop_assert_eq!(&written, &text),
                    Syntax::Yaml => {
                        let read: String = serde_json::from_str(&written).expect("a JSON string");
                        prop_assert_eq!(&read, &text);
                    }
                    Syntax::Sh => prop_assert_eq!(unquoted(&written), Some(text.clone())),
                    Syntax::Unit => prop_assert_eq!(written.replace("%%", "%"), text.clone()),
                    Syntax::Perl => prop_assert_eq!(written.replace('\\', ""), text.clone()),
                    _ => prop_assert_eq!(&written, &text),
                }
                if !matches!(syntax, Syntax::Plain | Syntax::Yaml | Syntax::Sh | Syntax::Sysctl) {
                    let several = written.contains([' ', '\t', '"', '\'', ';', '#', '$', '`', '{']);
                    prop_assert!(!several, "{syntax:?} {written:?}");
                }
            }
        }
    }

    /// Reads one shell word the way POSIX says; `None` when it is not exactly one.
    fn unquoted(word: &str) -> Option<String> {
        let mut read = String::new();
        let mut chars = word.chars();
        let mut any = false;
        while let Some(c) = chars.next() {
            any = true;
            match c {
                '\'' => loop {
                    match chars.next()? {
                        '\'' => break,
                        inner => read.push(inner),
                    }
                },
                '\\' => read.push(chars.next()?),
                c if c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c) => read.push(c),
                _ => return None,
            }
        }
        any.then_some(read)
    }
}
