//! Whether dpkg was interrupted, and who is at work with packages right now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::query::{Query, printable_line};

/// What would be in the way of installing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedApt {
    /// dpkg was ended in the middle: apt installs nothing before `dpkg --configure -a`.
    pub interrupted: bool,
    /// Packages that are neither installed nor gone, by name.
    pub unfinished: BTreeMap<String, Unfinished>,
    /// Lock files of apt and dpkg that are held, and by whom.
    pub locks: BTreeMap<String, Holder>,
}

/// A package that dpkg began and did not finish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// dpkg's word for its state (`half-configured`).
    pub state: String,
    /// dpkg was ended while it unpacked it, and configures it only when it was unpacked again: `reinstreq` in dpkg(1).
    pub reinstall: bool,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The process's name; empty where it has ended meanwhile.
    pub command: String,
}

/// Two processes over local files. Of locks the kernel tells the inode of the file, so that is asked for first.
pub(super) fn query() -> Query {
    Query::inline("apt", QUESTION).with_cap(1 << 20)
}

const QUESTION: &str = r#"set --
for f in /var/lib/dpkg/updates/[0-9]*; do
  if [ -e "$f" ]; then set -- "$@" "$f"; fi
done
if [ "$#" -gt 0 ]; then echo interrupted; fi
stat -c 'inode %i %n' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
  /var/cache/apt/archives/lock 2>/dev/null | awk '
function keep() { if (name != "") state[name " " architecture] = status }
$1 == "inode" { file[$2] = $3; next }
/^[0-9]+: POSIX / {
  split($6, place, ":")
  if (place[3] in file) {
    command = ""
    comm = "/proc/" $5 "/comm"
    getline command < comm
    close(comm)
    print "lock", file[place[3]], $5, command
  }
}
# What dpkg has not written into its list yet comes after it.
/^Package: / { keep(); name = $2; architecture = "" }
/^Status: / { status = $3 " " $4 }
/^Architecture: / { architecture = $2 }
END {
  keep()
  for (package in state)
    if (state[package] !~ /^ok (installed|config-files|not-installed)$/) {
      split(package, words, " ")
      print "unfinished", words[1], state[package]
    }
}
' - /proc/locks /var/lib/dpkg/status "$@"
exit 0
"#;

/// Reads lines of words.
pub(super) fn parse(section: &[u8]) -> ObservedApt {
    let mut apt = ObservedApt::default();
    for line in String::from_utf8_lossy(section).lines() {
        let line = printable_line(line.as_bytes(), 400);
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["interrupted"] => apt.interrupted = true,
            ["unfinished", name, flag, state] => {
                let unfinished = Unfinished {
                    state: state.to_owned(),
                    reinstall: flag == "reinstreq",
                };
                apt.unfinished.insert(name.to_owned(), unfinished);
            }
            ["lock", file, pid, command] => {
                if let Ok(pid) = pid.parse() {
                    let command = command.trim().to_owned();
                    apt.locks.insert(file.to_owned(), Holder { pid, command });
                }
            }
            _ => {}
        }
    }
    apt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_unfinished_packages_are_read() {
        let apt = parse(
            b"interrupted\nlock /var/lib/dpkg/lock-frontend 20779 unattended-upgr\nlock /var/lib/apt/lists/lock x y\nunfinished t44 ok half-configured\nunfinished t45 reinstreq unpacked\n",
        );
        insta::assert_json_snapshot!(apt, @r#"
        {
          "interrupted": true,
          "unfinished": {
            "t44": {
              "state": "half-configured",
              "reinstall": false
            },
            "t45": {
              "state": "unpacked",
              "reinstall": true
            }
          },
          "locks": {
            "/var/lib/dpkg/lock-frontend": {
              "pid": 20779,
              "command": "unattended-upgr"
            }
          }
        }
        "#);
    }
}
