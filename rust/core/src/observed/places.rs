//! The places of managed paths: mounts, parent directories, attributes, and what was there first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::ask::managed_paths;
use super::root::BEGIN;
use super::{ObserveScope, accounts, firewall};
use crate::name::ManagedPath;
use crate::query::{Query, printable_line};

/// What decides whether something can be put at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Mount points, and whether what is mounted there last is read-only.
    pub mounts: BTreeMap<String, bool>,
    /// The parents of managed paths; missing ones are left out.
    pub above: BTreeMap<String, Above>,
    /// Paths that chattr(1) closed: `i` for immutable, `a` for append-only.
    pub locked: BTreeMap<String, char>,
    /// Directories above managed paths that are links, each with the directory that it leads to.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Managed paths that an access control list (acl(5)) opens to others than their modes say.
    #[serde(default)]
    pub lists: BTreeSet<String>,
    /// Managed paths that stood there before deployctl.
    pub originals: BTreeSet<ManagedPath>,
}

/// What is in the place of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    /// As stat(1) calls it: `directory`, `regular file`, …
    pub kind: String,
    /// User id of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Places {
    /// The mount point of `path`, if it is mounted read-only.
    pub fn read_only<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut at = path;
        loop {
            match self.mounts.get(if at.is_empty() { "/" } else { at }) {
                Some(true) => return Some(if at.is_empty() { "/" } else { at }),
                Some(false) => return None,
                None if at.is_empty() => return None,
                None => at = at.rsplit_once('/').map_or("", |(parent, _)| parent),
            }
        }
    }
}

/// The question, together with that of accounts and of the firewall: each question with a deadline costs three
/// processes. Parts are ended by an empty line.
pub(super) fn query(scope: &ObserveScope<'_>) -> Query {
    Query::new(
        "places",
        format!(
            r#"{BEGIN}{managed}originals=''
if [ -r "$S/original/index" ]; then originals=$S/original/index; fi
# shellcheck disable=SC2086 # none or one
cat /proc/self/mountinfo $originals || exit 4
echo
above='' seen=' ' links=''
climb() {{
  path=$1
  while [ "$path" != . ]; do
    case $seen in *" $path "*) break ;; esac
    seen="$seen$path "
    above="$above$path$IFS"
    if [ -L "$path" ]; then links="$links$path$IFS"; fi
    path=${{path%/*}}
  done
}}
for path in "$@"; do climb "${{path%/*}}"; done
for link in $links; do
  to=$(readlink -f -- "$link") || continue
  printf 'link|%s|%s\n' "$link" "$to"
  climb ".${{to%/}}"
done
# shellcheck disable=SC2086 # one path a line
stat -L -c '%u %g %a %F|%n' -- $above 2>/dev/null
echo
# shellcheck disable=SC2086
lsattr -d -- $above "$@" 2>/dev/null
ls -dln --time-style=+T -- "$@" 2>/dev/null
echo
{accounts}{firewall}"#,
            managed = managed_paths(scope),
            accounts = accounts::ask(scope),
            firewall = firewall::ask(scope),
        ),
    )
    .with_deadline(Duration::from_secs(20))
    .with_cap(4 << 20)
}

/// Reads the parts.
pub(super) fn parse(section: &[u8]) -> (Places, Accounts) {
    let text = String::from_utf8_lossy(section);
    let mut places = Places::default();
    let mut lines = text.lines();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        // proc_pid_mountinfo(5): the mount point is the fifth word, the mount's options the sixth; ` - ` ends
        // the optional ones, and the file system's own options are last.
        let words: Vec<_> = line.split(' ').collect();
        if !words.get(2).is_some_and(|device| device.contains(':')) {
            places.originals.extend(original(&words));
            continue;
        }
        let (Some(point), Some(options)) = (words.get(4), words.get(5)) else {
            continue;
        };
        let read_only = |options: &str| options.split(',').any(|option| option == "ro");
        let whole = words.last().is_some_and(|options| read_only(options));
        places.mounts.insert(
            printable_line(point.as_bytes(), 1024),
            read_only(options) || whole,
        );
    }
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if let Some(link) = line.strip_prefix("link|.")
            && let Some((path, to)) = link.split_once('|')
        {
            let clean = |text: &str| printable_line(text.as_bytes(), 1024);
            places.links.insert(clean(path), clean(to));
        } else if let Some((path, above)) = above(line) {
            places.above.insert(path, above);
        }
    }
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if let Some((listed, path)) = line.split_once(" T .") {
            // ls(1) puts a plus behind the mode of what has a list.
            if listed
                .split(' ')
                .next()
                .is_some_and(|mode| mode.ends_with('+'))
            {
                places.lists.insert(printable_line(path.as_bytes(), 1024));
            }
        } else if let Some((flags, path)) = line.trim().split_once(' ')
            && let Some(path) = path.trim().strip_prefix('.')
            && let Some(flag) = flags.chars().find(|flag| matches!(flag, 'i' | 'a'))
        {
            places
                .locked
                .insert(printable_line(path.as_bytes(), 1024), flag);
        }
    }
    (
        places,
        accounts::parse(lines.take_while(|line| !line.starts_with("= "))),
    )
}

/// `GENERATION KIND SHA256 MODE OWNER GROUP PATH …`; `a` is for nothing.
fn original(words: &[&str]) -> Option<ManagedPath> {
    let (kind, path) = (words.get(1)?, words.get(6)?);
    ManagedPath::new(*path).ok().filter(|_| *kind != "a")
}

/// `UID GID MODE KIND|PATH`.
fn above(line: &str) -> Option<(String, Above)> {
    let (rest, path) = line.split_once('|')?;
    let mut words = rest.splitn(4, ' ');
    let uid = words.next()?.parse().ok()?;
    let gid = words.next()?.parse().ok()?;
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let kind = printable_line(words.next()?.as_bytes(), 80);
    let path = printable_line(path.strip_prefix('.')?.as_bytes(), 1024);
    let above = Above {
        kind,
        uid,
        gid,
        mode,
    };
    Some((path, above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_directories_and_attributes_are_read() {
        let (places, _) = parse(
            b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
              30 22 0:25 / /proc rw,nosuid - proc proc rw\n\
              31 30 0:25 /sys /proc/sys ro,nosuid - proc proc rw\n\
              32 31 0:25 /sys/net /proc/sys/net rw,nosuid - proc proc rw\n\
              40 22 8:1 /x /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n\
              41 22 7:0 / /usr/local rw,relatime shared:2 master:3 - squashfs /dev/loop0 ro,errors=continue\n\
              1 f aa 644 root root /etc/hosts\n2 a - - - - /etc/app.conf\n3 l - - - - /etc/localtime /usr/share/zoneinfo/UTC\n\
              \n\
              0 0 755 directory|./etc\n1000 100 2775 directory|./etc/own\n0 0 644 regular file|./etc/f37\n\
              link|./etc/e37|/srv/else/e37\n\
              \n\
              ----i---------e------- ./etc/t2.conf\n-----a--------e------- ./etc/log.d\n--------------e------- ./etc/x\n---A---------I-e------ ./etc/y\n\
              -r--r-----+ 1 0 0 12 T ./etc/sudoers.d/90-x\n-rw-r--r-- 1 0 0 5 T ./etc/hosts\n\
              lrwxrwxrwx 1 0 0 27 T ./etc/localtime -> /usr/share/zoneinfo/UTC\n",
        );
        assert_eq!(
            places.read_only("/proc/sys/vm/swappiness"),
            Some("/proc/sys")
        );
        assert_eq!(places.read_only("/proc/sys/net/ipv4/ip_forward"), None);
        assert_eq!(places.read_only("/etc/x"), None);
        assert_eq!(places.read_only("/usr/local/etc/x"), Some("/usr/local"));
        insta::assert_json_snapshot!((
            places.above,
            places.locked,
            places.originals,
            places.links,
            places.lists
        ));
    }
}
