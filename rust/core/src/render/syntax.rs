//! Escaping: what a value may look like inside each kind of target file.
//!
//! A target file names its syntax in `module.toml`, and every `{{ … }}` in its template is written
//! by that syntax. Where the target's own quoting is dependable the value is escaped; where it is
//! not (it differs between directives, or there is none) the value is refused. Either way a value
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
        if text.is_empty() {
            return unwritable("it is empty, which would leave a setting without its value");
        }
        match self {
            // `%` opens a specifier, and doubling it is understood everywhere specifiers are.
            Self::Unit => {
                only(text, "_.,:/=@+-%[]~*^")?;
                Ok(text.replace('%', "%%"))
            }
            // Space is allowed inside: the value is the whole rest of its line.
            Self::Sysctl => {
                only(text, "_.,:/=@+- \t")?;
                trimmed(text)
            }
            Self::Nft => only(text, "_.:/-"),
            Self::Sudoers => only(text, "_/-"),
            Self::Grub => only(text, "_.,:/=@+-%"),
            Self::Words => only(text, "_.,:/=@+-^~[]*?"),
            Self::Apt => only(text, "_.:/=@+-~*?"),
            Self::Perl => only(text, "_-"),
            Self::Plain | Self::Yaml | Self::Sh => Ok(text.to_owned()),
        }
    }

    /// Writes `text` as the free rest of a line (a description, a public key with its comment).
    pub fn line(self, text: &str) -> Result<String, Unwritable> {
        refuse_control(text)?;
        match self {
            Self::Plain | Self::Yaml | Self::Sh => self.word(text),
            Self::Nft | Self::Sudoers | Self::Grub | Self::Perl => {
                unwritable(format!("{} files hold no free text", self.name()))
            }
            // A trailing backslash would take in the next line.
            Self::Unit if text.contains('\\') => unwritable("it holds `\\`"),
            Self::Unit => Ok(trimmed(text)?.replace('%', "%%")),
            Self::Apt if text.contains(['"', '\\', ';']) => {
                unwritable("it holds one of `\"`, `\\` and `;`")
            }
            Self::Words if text.ends_with('\\') => unwritable("it ends in `\\`"),
            Self::Sysctl | Self::Apt | Self::Words => trimmed(text),
        }
    }
}

/// Line ends and control characters end a value in nearly every syntax, and the C1 range and the
/// Unicode line separators do so in some readers.
fn refuse_control(text: &str) -> Result<(), Unwritable> {
    match text
        .chars()
        .find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    {
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
