//! sudoers(5): the last rule that matches counts.
//!
//! Of files that others may not read only the shape of the rules leaves the host: whom each is for, whether
//! it asks for a password, and whether it is for everything.

use serde::{Deserialize, Serialize};

use super::Place;
use crate::query::printable_line;

/// Prints `sudoers PATH:NUMBER WHO NOPASSWD|PASSWD|- LAST-WORD` for every rule, and `sudoers PATH:NUMBER
/// @includedir DIRECTORY -`.
pub(crate) const ASK: &str = r#"set +f
set --
for f in /etc/sudoers /etc/sudoers.d/*; do
  # sudo passes over names with a dot and those that end in a tilde.
  case ${f##*/} in *.* | *'~') continue ;; esac
  if [ -f "$f" ]; then set -- "$@" "$f"; fi
done
[ "$#" -eq 0 ] || awk '
  /^[ \t]*[@#]includedir[ \t]/ { print "sudoers", FILENAME ":" FNR, "@includedir", $2, "-"; next }
  /^[ \t]*(#|$)/ || /^[ \t]*(User|Runas|Host|Cmnd)_Alias/ || /^[ \t]*@include/ { next }
  /^[ \t]*Defaults/ { next }
  {
    tag = "-"
    if ($0 ~ /NOPASSWD:/) tag = "NOPASSWD"; else if ($0 ~ /PASSWD:/) tag = "PASSWD"
    sub(/[ \t]*#.*$/, "")
    print "sudoers", FILENAME ":" FNR, $1, tag, $NF
  }' "$@"
"#;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    file: String,
    line: u32,
    who: String,
    /// `NOPASSWD`, `PASSWD` or `-`; the directory of an `@includedir`.
    tag: String,
    last: String,
}

impl Rule {
    /// Reads what follows `sudoers ` on a line of [`ASK`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [place, who, tag, last] = words[..] else {
            return None;
        };
        let (file, line) = place.rsplit_once(':')?;
        let clean = |text: &str| printable_line(text.as_bytes(), 256);
        Some(Self {
            file: clean(file),
            line: line.parse().ok()?,
            who: clean(who),
            tag: clean(tag),
            last: clean(last),
        })
    }

    /// The rules of a file with `content`.
    pub(crate) fn of_file(file: &str, content: &str) -> Vec<Self> {
        let rules = content.lines().zip(1..).filter_map(|(text, line)| {
            let text = text.split('#').next().unwrap_or_default();
            let mut words = text.split_whitespace();
            let who = words.next().filter(|who| !is_no_rule(who))?;
            let tag = if text.contains("NOPASSWD:") {
                "NOPASSWD"
            } else if text.contains("PASSWD:") {
                "PASSWD"
            } else {
                "-"
            };
            Some(Self {
                file: file.to_owned(),
                line,
                who: who.to_owned(),
                tag: tag.to_owned(),
                last: words.next_back().unwrap_or_default().to_owned(),
            })
        });
        rules.collect()
    }

    /// The file that contains it.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place {
            file: self.file.clone(),
            line: self.line,
        }
    }

    /// Whether it lets whom it is for do everything without a password.
    pub(crate) fn asks_nothing(&self) -> bool {
        self.tag == "NOPASSWD"
    }

    /// What it does for whom it is for, in words that go before their name.
    pub(crate) fn grants(&self) -> &'static str {
        if self.denies() {
            "denies everything to"
        } else if self.asks_nothing() {
            "asks no password of"
        } else {
            "asks a password of"
        }
    }

    /// Whether it is about every command.
    pub(crate) fn is_for_everything(&self) -> bool {
        self.last.ends_with("ALL")
    }

    /// Whom it is for, as sudoers says it: a user, `%group`, `ALL`, or the name of a list.
    pub fn who(&self) -> &str {
        self.who.trim_matches('"')
    }

    /// Whether it lets anyone do anything; it is no `@includedir`, and does not only forbid.
    pub fn grants_something(&self) -> bool {
        !self.who.starts_with('@') && !self.denies()
    }

    /// The one user that it is for; none where it is for a group, for all, or for a list by name.
    pub fn user(&self) -> Option<&str> {
        let who = self.who();
        let is_name = who.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        is_name.then_some(who)
    }

    /// Whether it takes everything away.
    pub(crate) fn denies(&self) -> bool {
        self.last.starts_with('!')
    }

    fn is_for(&self, user: &str, groups: &[String]) -> bool {
        let who = self.who();
        who == "ALL"
            || who == user
            || who
                .strip_prefix('%')
                .is_some_and(|g| groups.iter().any(|group| group == g))
    }
}

/// Lines that are about no user, and lists of users, which are not looked into.
fn is_no_rule(word: &str) -> bool {
    word.starts_with(['@', '+', '!']) || word.starts_with("Defaults") || word.ends_with("_Alias")
}

/// The rule about everything that counts for `user`: the last that matches, in the order in which sudo reads
/// them. The directory's files come where the main file includes them, by name.
pub(crate) fn last<'a>(rules: &'a [Rule], user: &str, groups: &[String]) -> Option<&'a Rule> {
    let main = "/etc/sudoers";
    let mut dropped: Vec<&Rule> = rules.iter().filter(|rule| rule.file != main).collect();
    dropped.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    let of_main: Vec<&Rule> = rules.iter().filter(|rule| rule.file == main).collect();
    let at = of_main.iter().position(|rule| rule.who == "@includedir");
    let at = at.unwrap_or(of_main.len());
    let (before, after) = of_main.split_at(at);
    let ordered = before.iter().chain(&dropped).chain(after);
    ordered
        .copied()
        .rfind(|rule| rule.is_for(user, groups) && rule.is_for_everything())
}
