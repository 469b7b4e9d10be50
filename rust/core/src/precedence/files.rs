//! The files of a host that are read together, as the lines in them that say something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::query::printable_line;
use crate::rendered::{Entry, Rendered};

/// Longest line that is looked at, in characters.
const LINE_CAP: usize = 4096;

/// Where the directories of most programs stand, the foremost first.
pub(super) const PLACES: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];

/// Prints the name of every file that matches (`file PATH`), then their lines that are neither empty nor
/// comments (`PATH`, NUL, `NUMBER:TEXT`). A link to `/dev/null` hides a file of the same name, so it has
/// a name as well. Of what units put into an environment only the name is printed: a value may be a secret.
macro_rules! ask {
    ($files:literal $(, $first:expr $(, $last:expr)?)?) => {
        concat!(
            $($first,)?
            "set +f\nset --\nfor f in ",
            $files,
            r#"; do
  [ -e "$f" ] || continue
  printf 'file %s\n' "$f"
  if [ -f "$f" ]; then set -- "$@" "$f"; fi
done
[ "$#" -eq 0 ] || grep -aHnZv -e '^[[:space:]]*$' -e '^[[:space:]]*[#;]' -e '^[[:space:]]*//' /dev/null "$@" |
  sed -e 's/^\([^:]*:[[:space:]]*Environment="*[A-Za-z0-9_]*=\).*/\1/' -e 's/^\([^:]*:[[:space:]]*SetCredential\).*/\1=/'
"#
            $($(, $last)?)?
        )
    };
}

/// The same of netplan's files. They may hold passwords and keys: of their lines only those are printed that name
/// something to come, or that set one of these values.
macro_rules! netplan {
    () => {
        r#"set --
for f in /run/netplan/*.yaml /etc/netplan/*.yaml /lib/netplan/*.yaml; do
  [ -f "$f" ] || continue
  printf 'file %s\n' "$f"
  set -- "$@" "$f"
done
[ "$#" -eq 0 ] || awk '
  /^ *"?[A-Za-z0-9_.:-]+"?: *(#.*)?$/ || /^ *"?(renderer|mtu|dhcp4|dhcp6|accept-ra|optional|set-name|macaddress|driver|name)"?: *["'"'"'A-Za-z0-9_.:*?-]+ *(#.*)?$/ {
    sub(/#.*/, "")
    printf "%s%c%d:%s\n", FILENAME, 0, FNR, $0
  }' "$@" || :
"#
    };
}

/// All files that are read together with others.
pub const ASK: &str = ask!(
    "/etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf \\\n  \
     /etc/default/grub /etc/default/grub.d/*.cfg /etc/apt/apt.conf.d/* /etc/apt/apt.conf \\\n  \
     $sshd_files /etc/systemd/*.conf /etc/systemd/*.conf.d/*.conf \\\n  \
     /run/systemd/*.conf.d/*.conf /usr/local/lib/systemd/*.conf.d/*.conf /usr/lib/systemd/*.conf.d/*.conf \\\n  \
     /etc/systemd/system.control/*.d/*.conf /run/systemd/system.control/*.d/*.conf \\\n  \
     /etc/systemd/system/*.d/*.conf /run/systemd/system/*.d/*.conf \\\n  \
     /usr/local/lib/systemd/system/*.d/*.conf /usr/lib/systemd/system/*.d/*.conf \\\n  \
     /etc/systemd/network/*.link /etc/systemd/network/*.network /etc/systemd/network/*.d/*.conf \\\n  \
     /run/systemd/network/*.link /run/systemd/network/*.network /run/systemd/network/*.d/*.conf \\\n  \
     /usr/local/lib/systemd/network/*.link /usr/local/lib/systemd/network/*.network \\\n  \
     /usr/lib/systemd/network/*.link /usr/lib/systemd/network/*.network \\\n  \
     /etc/tmpfiles.d/*.conf /run/tmpfiles.d/*.conf /usr/local/lib/tmpfiles.d/*.conf /usr/lib/tmpfiles.d/*.conf \\\n  \
     /etc/modules-load.d/*.conf /etc/modprobe.d/*.conf /run/modprobe.d/*.conf \\\n  \
     /usr/local/lib/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf \\\n  \
     /etc/security/limits.conf /etc/security/limits.d/*.conf",
    concat!(include_str!("sshd_reads.sh"), "sshd_reads\n"),
    netplan!()
);
/// Those of sshd.
pub const ASK_SSHD: &str = ask!(
    "$sshd_files",
    concat!(include_str!("sshd_reads.sh"), "sshd_reads\n")
);
/// Those of systemd-sysctl.
pub const ASK_SYSCTL: &str = ask!(
    "/etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf"
);
/// Those of GRUB.
pub const ASK_GRUB: &str = ask!("/etc/default/grub /etc/default/grub.d/*.cfg");

/// Files by path, each with its lines that say something, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigFiles(BTreeMap<String, BTreeMap<u32, String>>);

impl ConfigFiles {
    /// The same host once `rendered` is in place and `gone` are removed.
    pub(crate) fn with(
        &self,
        rendered: &Rendered,
        gone: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let mut files = self.clone();
        for path in gone {
            files.0.remove(path.as_ref());
        }
        for (path, managed) in &rendered.entries {
            match &managed.entry {
                Entry::File { content, .. } => files.insert(path.as_str(), content),
                Entry::Absent => drop(files.0.remove(path.as_str())),
                Entry::Directory { .. } | Entry::Symlink { .. } => {}
            }
        }
        files
    }

    /// Puts the file `path` with `content` in the place of what was there.
    pub fn insert(&mut self, path: &str, content: &str) {
        let lines = content
            .lines()
            .zip(1..)
            .filter(|(line, _)| says_something(line))
            .map(|(line, number)| (number, line.to_owned()));
        self.0.insert(path.to_owned(), lines.collect());
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The lines of one file; none where it is not there.
    pub(crate) fn lines(&self, path: &str) -> impl Iterator<Item = (u32, &str)> {
        let lines = self.0.get(path).into_iter().flatten();
        lines.map(|(number, line)| (*number, line.as_str()))
    }

    /// All paths in their order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Drop-ins in the order in which systemd's programs read them: by their own name, and of equal names
    /// the one of the foremost directory alone. `below` names what follows each of `places`, such as
    /// `sysctl.d`, the foremost first.
    pub(crate) fn drop_ins(&self, places: &[&str], below: &[&str]) -> Vec<&str> {
        let mut by_name: BTreeMap<&str, &str> = BTreeMap::new();
        for (below, place) in below
            .iter()
            .flat_map(|b| places.iter().map(move |p| (b, p)))
        {
            let directory = format!("{place}/{below}/");
            for (path, _) in self.0.range(directory.clone()..) {
                let Some(name) = path.strip_prefix(&directory) else {
                    break;
                };
                if !name.contains('/') {
                    by_name.entry(name).or_insert(path);
                }
            }
        }
        by_name.into_values().collect()
    }
}

fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !(line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//"))
}

/// Reads what [`ASK`] prints.
pub fn parse(section: &[u8]) -> ConfigFiles {
    let mut files = ConfigFiles::default();
    for line in String::from_utf8_lossy(section).lines() {
        if let Some((path, rest)) = line.split_once('\0') {
            if let Some((number, text)) = rest.split_once(':')
                && let Ok(number) = number.parse()
            {
                let text = printable_line(text.as_bytes(), LINE_CAP);
                let lines = files.0.entry(clean(path)).or_default();
                lines.insert(number, text);
            }
        } else if let Some(path) = line.strip_prefix("file ") {
            files.0.entry(clean(path)).or_default();
        }
    }
    files
}

fn clean(path: &str) -> String {
    printable_line(path.as_bytes(), LINE_CAP)
}
