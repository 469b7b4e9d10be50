//! What answers at the SSH port, what it has loaded, and what the account that we came by may become.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::precedence::sshd::Login;
use crate::precedence::sudoers::{self, Rule};
use crate::precedence::{Place, SSHD_READS};
use crate::query::{Query, printable_line};

/// The units that may run sshd, by the names that they have on Debian and on others.
pub(crate) const SSH_UNITS: [&str; 4] =
    ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];

/// What is asked of each.
const PROPERTIES: [&str; 7] = [
    "Id",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "StateChangeTimestamp",
    "ActiveEnterTimestamp",
    "NeedDaemonReload",
];

/// Defines `find_way`, which the host's program has as well.
const WAY: &str = include_str!("way.sh");

/// Sets `$user` to the account that we came by over SSH, and `$way` to `FROM PORT TO PORT`.
pub fn find_way() -> String {
    format!("{WAY}find_way\n")
}

/// Asks for all else. The files by which systemd starts sshd are those of the service alone: a socket is not loaded
/// anew by itself.
const ASK: &str = r#"if [ -n "$user" ]; then
  printf 'way %s %s\n' "$user" "$way"
  printf 'groups %s\n' "$(id -Gn -- "$user" 2>/dev/null)"
  printf 'password %s\n' "$(passwd -S -- "$user" 2>/dev/null)"
fi
start=''
if [ -d /run/systemd/system ]; then
  show() {
    TZ=UTC systemctl show "$@" --no-pager -p Id -p LoadState -p ActiveState -p UnitFileState \
      -p StateChangeTimestamp -p ActiveEnterTimestamp -p NeedDaemonReload -p FragmentPath -p DropInPaths \
      -- ssh.service sshd.service ssh.socket sshd.socket
  }
  shown=$(show --timestamp=us+utc 2>/dev/null) || shown=$(show)
  while IFS= read -r line; do
    case $line in
      FragmentPath=* | DropInPaths=*)
        for path in ${line#*=}; do
          case $path in *.socket | */*.socket.d/*) ;; *) start="$start $path" ;; esac
        done
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <<SHOWN
$shown
SHOWN
fi
sshd_reads
# shellcheck disable=SC2086 # paths
TZ=UTC find /etc/ssh/sshd_config.d $sshd_files /etc/default/ssh $start -maxdepth 0 ! -path '/run/systemd/generator*' \
  \( \( -path /etc/default/ssh -o -path '*/systemd/*' \) -printf 'start %CY-%Cm-%Cd %CH:%CM:%CS %p\n' \
  -o -printf 'config %CY-%Cm-%Cd %CH:%CM:%CS %p\n' \) 2>/dev/null || :
ss -Hltnp 2>/dev/null | while read -r _ _ _ at _ who; do
  case $who in *'("'*) ;; *) continue ;; esac
  name=${who#*'("'}
  pid=${who#*pid=}
  pid=${pid%%,*}
  group=''
  case $who in *'"systemd",pid=1,'*) pid=1 ;; *sshd*)
    { while read -r g; do group=$g; done </proc/"$pid"/cgroup; } 2>/dev/null || :
    ;;
  esac
  printf 'listen %s %s %s %s\n' "$at" "$pid" "${group##*/}" "${name%%'"'*}"
done
"#;

/// Ours in the round that observes, and of the checks of ssh.
pub fn query() -> Query {
    Query::new(
        "way-in",
        format!("{}{SSHD_READS}{ASK}{}", find_way(), sudoers::ASK),
    )
}

/// Prints the rules of sudoers, which [`parse`] reads.
pub fn sudoers_query_text() -> &'static str {
    sudoers::ASK
}

/// What the section says; all fields are empty if there was no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WayIn {
    /// The account, by which we came over SSH; `None` where we did not.
    pub account: Option<Account>,
    /// The units of [`SSH_UNITS`] that the host has.
    pub units: BTreeMap<String, SshUnit>,
    /// The file of sshd's configuration that changed last, and when.
    pub newest: Option<(String, String)>,
    /// The file by which systemd starts sshd that changed last, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_of_start: Option<(String, String)>,
    /// What listens for TCP connections, by port.
    pub listeners: Vec<Listener>,
    /// The rules of sudoers.
    pub sudoers: Vec<Rule>,
}

/// The account that we came by, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its groups; `None` where the host could not say.
    pub groups: Option<Vec<String>>,
    /// Whether it has a password that can be used; `None` where the host could not say.
    pub has_password: Option<bool>,
    /// Where the connection comes from.
    pub from: Option<IpAddr>,
    /// The address that it came to.
    pub to: Option<IpAddr>,
    /// The port that it came to.
    pub port: u16,
}

/// A unit that may run sshd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshUnit {
    /// `ActiveState`.
    pub active: String,
    /// `UnitFileState`.
    pub file: String,
    /// When it was started, reloaded or stopped last: `2026-11-26 14:41:20.123456`, UTC.
    pub since: String,
    /// When it was started last, told like `since`; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started: String,
    /// Whether its files changed since systemd loaded them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_reload: bool,
}

impl SshUnit {
    /// Whether it is up, or on its way there.
    pub(crate) fn is_active(&self) -> bool {
        super::is_active(&self.active)
    }

    /// Whether the next boot starts it; `None` where that depends on others.
    pub fn starts_at_boot(&self) -> Option<bool> {
        match self.file.as_str() {
            "generated" => Some(true),
            "" => Some(false),
            other => super::starts_at_boot(other),
        }
    }
}

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its process; 1 is systemd, on behalf of a socket unit.
    pub pid: u32,
    /// The unit that it runs in, where it is a unit's.
    pub unit: Option<String>,
    /// The program's name.
    pub program: String,
}

impl WayIn {
    /// The service that runs sshd now.
    pub fn service(&self) -> Option<(&str, &SshUnit)> {
        let running =
            |(name, unit): &(&String, &SshUnit)| name.ends_with(".service") && unit.is_active();
        self.units
            .iter()
            .find(running)
            .map(|(name, unit)| (name.as_str(), unit))
    }

    /// The socket unit by which systemd listens for sshd.
    pub fn socket(&self) -> Option<&str> {
        let listening =
            |(name, unit): &(&String, &SshUnit)| name.ends_with(".socket") && unit.is_active();
        self.units
            .iter()
            .find(listening)
            .map(|(name, _)| name.as_str())
    }

    /// Returns the changed file that the running sshd has not loaded, the time of the change, and the time at which
    /// the daemon loaded its configuration. `None` if each connection starts an sshd.
    pub fn not_loaded(&self) -> Option<(&str, &str, &str)> {
        let (_, unit) = self.service()?;
        later(self.newest.as_ref()?, &unit.since)
    }

    /// The changed file that the running sshd was not started with, the time of the change, and when it was started:
    /// drop-ins of its unit and the like.
    pub fn not_started_with(&self) -> Option<(&str, &str, &str)> {
        let (_, unit) = self.service()?;
        later(self.newest_of_start.as_ref()?, &unit.started)
    }

    /// The unit of this kind (`.service`, `.socket`) that runs, and whose files changed since systemd loaded them.
    pub fn outdated(&self, kind: &str) -> Option<&str> {
        let running = self.units.iter().filter(|(_, unit)| unit.is_active());
        let mut outdated = running.filter(|(name, unit)| unit.needs_reload && name.ends_with(kind));
        outdated.next().map(|(name, _)| name.as_str())
    }

    /// Whether an sshd will answer after the next boot; `None` where that cannot be told.
    pub fn starts_at_boot(&self) -> Option<bool> {
        if self.units.is_empty() {
            return None;
        }
        let mut sure = true;
        for unit in self.units.values() {
            match unit.starts_at_boot() {
                Some(true) => return Some(true),
                Some(false) => {}
                None => sure = false,
            }
        }
        sure.then_some(false)
    }

    /// The port that our connection came to, which a gateway on the way may call otherwise; else `declared`.
    pub(crate) fn port(&self, declared: u16) -> u16 {
        self.account
            .as_ref()
            .map_or(declared, |account| account.port)
    }

    /// Where the rule of sudoers stands that has the last word on everything that `user` of `groups` may do.
    pub fn sudo_rule(&self, user: &str, groups: &[String]) -> Option<Place> {
        sudoers::last(&self.sudoers, user, groups).map(Rule::place)
    }

    /// The login that `user` would make from where we come, at `port` unless we came to another.
    pub(crate) fn login(&self, user: &str, port: u16) -> Login {
        let account = self.account.as_ref();
        let same = account.filter(|account| account.name == user);
        Login {
            user: user.to_owned(),
            groups: same.and_then(|account| account.groups.clone()),
            from: account.and_then(|account| account.from),
            to: account.and_then(|account| account.to),
            port: self.port(port),
        }
    }
}

/// `FILE` and its time of change, and `since`, where the change is later.
fn later<'a>(
    (file, changed): &'a (String, String),
    since: &'a str,
) -> Option<(&'a str, &'a str, &'a str)> {
    // An old systemd tells whole seconds.
    let common = changed.len().min(since.len());
    let later = changed.get(..common)? > since.get(..common)?;
    later.then_some((file, changed, since))
}

/// Reads the section; what cannot be read is left out.
pub fn parse(section: &[u8]) -> WayIn {
    let mut way_in = WayIn::default();
    let text = String::from_utf8_lossy(section);
    let mut unit: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines().chain([""]) {
        if let Some((key, value)) = line
            .split_once('=')
            .filter(|(key, _)| PROPERTIES.contains(key))
        {
            unit.insert(key, value);
            continue;
        }
        if !unit.is_empty() {
            way_in.units.extend(ssh_unit(&std::mem::take(&mut unit)));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "way" => way_in.account = account(rest),
            "groups" if !rest.is_empty() => {
                let groups = rest
                    .split(' ')
                    .map(|group| printable_line(group.as_bytes(), 64));
                if let Some(account) = &mut way_in.account {
                    account.groups = Some(groups.collect());
                }
            }
            "password" => {
                // `operator P 2026-11-26 …`: P is for one that can be used, L and NP for none.
                if let Some(account) = &mut way_in.account {
                    account.has_password = rest
                        .split(' ')
                        .nth(1)
                        .map(|state| state == "P" || state == "PS");
                }
            }
            "config" => keep_newest(&mut way_in.newest, rest),
            "start" => keep_newest(&mut way_in.newest_of_start, rest),
            "listen" => way_in.listeners.extend(listener(rest)),
            "sudoers" => way_in.sudoers.extend(Rule::parse(rest)),
            _ => {}
        }
    }
    way_in
        .listeners
        .sort_by_key(|listener| (listener.port, listener.pid));
    way_in
        .listeners
        .dedup_by_key(|listener| (listener.port, listener.pid));
    way_in
}

/// A unit by its properties; none where the host has no such unit.
fn ssh_unit(fields: &BTreeMap<&str, &str>) -> Option<(String, SshUnit)> {
    let word =
        |key: &str| printable_line(fields.get(key).copied().unwrap_or_default().as_bytes(), 64);
    // `Thu 2026-11-26 14:41:20 UTC`
    let time = |key: &str| {
        let words = word(key);
        let words: Vec<&str> = words
            .split(' ')
            .filter(|word| word.contains(['-', ':']))
            .collect();
        words.join(" ")
    };
    let unit = SshUnit {
        active: word("ActiveState"),
        file: word("UnitFileState"),
        since: time("StateChangeTimestamp"),
        started: time("ActiveEnterTimestamp"),
        needs_reload: word("NeedDaemonReload") == "yes",
    };
    matches!(word("LoadState").as_str(), "loaded" | "masked").then(|| (word("Id"), unit))
}

/// `USER FROM PORT TO PORT`
fn account(text: &str) -> Option<Account> {
    let words: Vec<&str> = text.split(' ').collect();
    let [user, from, _, to, port] = words[..] else {
        return None;
    };
    Some(Account {
        name: printable_line(user.as_bytes(), 64),
        from: from.parse().ok(),
        to: to.parse().ok(),
        port: port.parse().ok()?,
        ..Account::default()
    })
}

fn keep_newest(newest: &mut Option<(String, String)>, text: &str) {
    if let Some((stamp, path)) = stamp(text)
        && newest.as_ref().is_none_or(|(_, newest)| *newest < stamp)
    {
        *newest = Some((path, stamp));
    }
}

/// `2026-11-26 14:41:20.1234567890 PATH`
fn stamp(text: &str) -> Option<(String, String)> {
    let mut words = text.splitn(3, ' ');
    let (day, time, path) = (words.next()?, words.next()?, words.next()?);
    let stamp = printable_line(format!("{day} {time}").as_bytes(), 64);
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    (digits(day) && digits(time)).then(|| (stamp, printable_line(path.as_bytes(), 4096)))
}

/// `[::]:22 PID UNIT PROGRAM`
fn listener(text: &str) -> Option<Listener> {
    let mut words = text.splitn(4, ' ');
    let (at, pid, unit) = (words.next()?, words.next()?, words.next()?);
    Some(Listener {
        port: at.rsplit_once(':')?.1.parse().ok()?,
        pid: pid.parse().ok()?,
        unit: Some(unit)
            .filter(|u| u.ends_with(".service"))
            .map(|u| printable_line(u.as_bytes(), 256)),
        program: printable_line(words.next().unwrap_or_default().as_bytes(), 64),
    })
}

#[cfg(test)]
mod tests;
