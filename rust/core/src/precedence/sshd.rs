//! `sshd_config(5)` as sshd takes it for one connection: of the lines outside of `Match` the first counts,
//! of those in blocks that match the first, too, and those win over the others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{ConfigFiles, How, Overruled, Place, Setting};
use crate::glob::glob;

/// The main file.
pub const MAIN: &str = "/etc/ssh/sshd_config";
/// The directory that distributions include.
pub const DROP_INS: &str = "/etc/ssh/sshd_config.d/";
/// How deep files may include one another; sshd's own limit.
const DEPTH: usize = 16;

/// Keywords whose lines add up.
const ADDING: [&str; 6] = [
    "port",
    "allowusers",
    "denyusers",
    "allowgroups",
    "denygroups",
    "listenaddress",
];

/// The connection that is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub user: String,
    /// Its groups, where they are known.
    pub groups: Option<Vec<String>>,
    /// Where it comes from, where that is known.
    pub from: Option<IpAddr>,
    /// The address that it comes to, where that is known.
    pub to: Option<IpAddr>,
    /// The port that it comes to.
    pub port: u16,
}

/// One keyword's value for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its words.
    pub words: Vec<String>,
    /// Where it is said; for keywords that add up, where first.
    pub place: Place,
    /// The block that contains it: `Match User bob`.
    pub block: Option<String>,
}

impl std::fmt::Display for Value {
    /// Where it stands: `/etc/ssh/sshd_config:122 (Match User bob)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.place)?;
        self.block
            .iter()
            .try_for_each(|block| write!(f, " (`{block}`)"))
    }
}

/// What sshd takes for a login, as far as its files say.
#[derive(Debug, Clone, Default)]
pub struct Effective {
    values: BTreeMap<String, Value>,
    in_blocks: BTreeMap<String, Value>,
    /// Every file that was read, included ones too.
    read: Vec<String>,
    /// Whether something could not be told: a condition on what is not known, a file that was not looked at.
    pub unsure: bool,
}

impl Effective {
    /// The value of `keyword` (lower case), where a file gives one.
    pub fn get(&self, keyword: &str) -> Option<&Value> {
        self.in_blocks
            .get(keyword)
            .or_else(|| self.values.get(keyword))
    }

    /// The first word of `keyword`, in lower case.
    pub(crate) fn first(&self, keyword: &str) -> Option<String> {
        let word = self.get(keyword)?.words.first()?;
        Some(word.to_lowercase())
    }

    /// Whether sshd reads the file at `path` at all.
    pub fn reads(&self, path: &str) -> bool {
        self.read.iter().any(|read| read == path)
    }
}

/// Evaluates the files for one login. Without a main file that was looked at, one that includes the
/// directory alone is taken, as distributions ship it.
pub fn evaluate(files: &ConfigFiles, login: &Login) -> Effective {
    let mut reader = Reader {
        files,
        login,
        found: Effective::default(),
    };
    if files.has(MAIN) {
        reader.file(MAIN, &State::default(), 0);
    } else {
        reader.include(&[format!("{DROP_INS}*.conf")], &State::default(), 0);
    }
    reader.found
}

/// What the file at `path` sets for a login and a line of others, which sshd reads first, sets otherwise. Values that
/// add up are left out: they stand beside one another.
pub(crate) fn overruled(
    path: &str,
    effective: &Effective,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    if !effective.reads(path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, text) in files.lines(path) {
        let mut words = words(text);
        if words.is_empty() {
            continue;
        }
        let said = words.remove(0);
        let keyword = said.to_lowercase();
        if keyword == "match" {
            break;
        }
        let Some(by) = effective.get(&keyword) else {
            continue;
        };
        if !ADDING.contains(&keyword.as_str())
            && !is_ours(&by.place.file)
            && !same(&by.words, &words)
        {
            let theirs = by.block.iter().fold(by.words.join(" "), |value, block| {
                format!("{value} ({block})")
            });
            found.push(Overruled {
                how: match by.block {
                    Some(_) => How::InBlock,
                    None => How::Earlier,
                },
                ours: Setting::new(said.clone(), words.join(" "), path, line),
                theirs: Setting::new(said, theirs, &by.place.file, by.place.line),
            });
        }
    }
    found
}

/// Whether sshd takes both for the same; it knows `prohibit-password` by an old word, too.
fn same(one: &[String], other: &[String]) -> bool {
    let modern = |words: &[String]| {
        let words = words.join(" ").to_lowercase();
        words.replace("without-password", "prohibit-password")
    };
    modern(one) == modern(other)
}

/// Where a line stands.
#[derive(Debug, Clone, Default)]
struct State {
    /// The block, and whether it matches.
    block: Option<(String, Option<bool>)>,
}

struct Reader<'a> {
    files: &'a ConfigFiles,
    login: &'a Login,
    found: Effective,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, state: &State, depth: usize) {
        self.found.read.push(path.to_owned());
        let mut state = state.clone();
        let lines: Vec<(u32, String)> = self
            .files
            .lines(path)
            .map(|(number, text)| (number, text.to_owned()))
            .collect();
        for (line, text) in lines {
            let mut words = words(&text);
            if words.is_empty() {
                continue;
            }
            let keyword = words.remove(0).to_lowercase();
            match keyword.as_str() {
                "include" => self.include(&words, &state, depth),
                "match" => {
                    let holds = holds(&words, self.login);
                    self.found.unsure |= holds.is_none();
                    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    state.block = Some((said, holds));
                }
                _ => {
                    let place = Place {
                        file: path.to_owned(),
                        line,
                    };
                    self.take(keyword, words, place, &state);
                }
            }
        }
    }

    fn include(&mut self, patterns: &[String], state: &State, depth: usize) {
        if depth >= DEPTH {
            self.found.unsure = true;
            return;
        }
        for pattern in patterns {
            let pattern = if pattern.starts_with('/') {
                pattern.clone()
            } else {
                format!("/etc/ssh/{pattern}")
            };
            let known = pattern.starts_with(DROP_INS) || self.files.has(&pattern);
            self.found.unsure |= !known;
            let paths: Vec<String> = self
                .files
                .paths()
                .filter(|path| glob(&pattern, path))
                .map(str::to_owned)
                .collect();
            for path in paths {
                self.file(&path, state, depth + 1);
            }
        }
    }

    fn take(&mut self, keyword: String, words: Vec<String>, place: Place, state: &State) {
        let (values, block) = match &state.block {
            None => (&mut self.found.values, None),
            Some((block, Some(true))) => (&mut self.found.in_blocks, Some(block.clone())),
            Some(_) => return,
        };
        let adds = ADDING.contains(&keyword.as_str());
        match values.get_mut(&keyword) {
            Some(value) if adds => value.words.extend(words),
            Some(_) => {}
            None => {
                let value = Value {
                    words,
                    place,
                    block,
                };
                values.insert(keyword, value);
            }
        }
    }
}

/// The words of a line: blanks or one `=` between them, quotes around those with blanks, a comment at the end.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"').unwrap_or((quoted, ""))
        } else {
            let equals = words.is_empty();
            let end = rest.find(|c: char| c.is_whitespace() || (equals && c == '='));
            rest.split_at(end.unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start();
        if words.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    words
}

/// Whether the conditions after `Match` hold for `login`; `None` where that cannot be told from here.
fn holds(words: &[String], login: &Login) -> Option<bool> {
    let mut words = words.iter().map(String::as_str);
    let mut all = Some(true);
    while let Some(word) = words.next() {
        let (criterion, given) = match word.split_once('=') {
            Some((criterion, given)) => (criterion, Some(given)),
            None => (word, None),
        };
        let criterion = criterion.to_lowercase();
        if criterion == "all" {
            continue;
        }
        let mut patterns = || given.or_else(|| words.next()).unwrap_or_default();
        let one = match criterion.as_str() {
            "user" => Some(matches(patterns(), |pattern| glob(pattern, &login.user))),
            "group" => {
                let patterns = patterns();
                let groups = login.groups.as_ref();
                groups
                    .map(|groups| matches(patterns, |p| groups.iter().any(|group| glob(p, group))))
            }
            "address" => address(patterns(), login.from),
            "localaddress" => address(patterns(), login.to),
            "localport" => {
                let port = login.port.to_string();
                Some(matches(patterns(), |pattern| pattern == port))
            }
            // Of a name that is looked up, of a routing domain, of the server's version.
            _ => {
                patterns();
                None
            }
        };
        match one {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

/// Patterns with commas between them: one must match, and none that has a `!` before it.
fn matches(list: &str, matches: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern) => return false,
            Some(_) => {}
            None => found |= matches(pattern),
        }
    }
    found
}

fn address(list: &str, address: Option<IpAddr>) -> Option<bool> {
    let address = address?;
    let text = address.to_string();
    Some(matches(list, |pattern| match pattern.parse::<IpNet>() {
        Ok(network) => network.contains(&address),
        Err(_) => glob(pattern, &text),
    }))
}

/// Whether an entry of `AllowUsers` or `DenyUsers` names the login: `user`, or `user@address`; `None` where that
/// depends on an address that is not known.
pub fn names(pattern: &str, login: &Login) -> Option<bool> {
    match pattern.rsplit_once('@') {
        Some((user, _)) if !glob(user, &login.user) => Some(false),
        Some((_, from)) => address(from, login.from),
        None => Some(glob(pattern, &login.user)),
    }
}
