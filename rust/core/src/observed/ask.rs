//! The round of queries that observes a host.

use std::fmt::Write as _;
use std::time::Duration;

mod system;

use super::root::BEGIN;
use super::{ObserveScope, apt, artifacts, complaints, places, way_in};
use crate::inventory::Platform;
use crate::precedence;
use crate::precedence::grub::NEXT_BOOT;
use crate::query::{Query, quote};
use crate::rendered::{Entry, Manifest, PathState};

/// Largest file whose text comes back for a diff: 128 blocks of 512 bytes.
const DIFF_BLOCKS: usize = 128;

/// The committed generation's number and its manifest. If the
/// file names none: `none`, the newest generation on the host, and what the file says.
const GENERATION: &str = r#"case $N in
  '' | *[!0-9]*)
    newest=0
    for g in "$S"/generations/*; do
      g=${g##*/}
      case $g in '' | *[!0-9]* | ??????????*) continue ;; esac
      if [ "$g" -gt "$newest" ]; then newest=$g; fi
    done
    echo "none $newest $N"
    exit 0
    ;;
esac
echo "$N"
if [ "$N" != 0 ] && [ -r "$G/manifest.json" ]; then cat "$G/manifest.json"; fi
"#;

/// Plain lists to store beside a generation's `manifest.json`, by file name, one name a line: the host
/// reads them in shell, to observe what it manages in the same round.
pub fn generation_lists(manifest: &Manifest) -> [(&'static str, String); 4] {
    fn lines<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
        names.fold(String::new(), |mut text, name| {
            let _ = writeln!(text, "{}", name.as_ref());
            text
        })
    }
    [
        ("paths.list", lines(manifest.paths.keys())),
        ("packages.list", lines(manifest.packages.keys())),
        ("units.list", lines(manifest.units.keys())),
        ("sysctls.list", lines(manifest.sysctls.keys())),
    ]
}

/// Whether the question `id` belongs to the round. A host that is given its system by Nix is asked for
/// paths, packages, units and settings only where such are declared: its tools may be others. Links of artifacts are beside its
/// system, also those that are not declared any more.
pub(super) fn asked(scope: &ObserveScope<'_>, id: &str) -> bool {
    let rendered = scope.rendered;
    let declared = match id {
        "paths" => return true,
        // What only Linux can answer.
        "places" => rendered.platform() != Platform::Darwin,
        "packages" => !rendered.packages.is_empty(),
        "units" => !rendered.units.is_empty(),
        "sysctls" => !rendered.sysctls.is_empty(),
        "modules" => !rendered.modules.is_empty(),
        // A system of Nix has its files in the store, and its own ways to boot.
        "way-in" | "config" => false,
        "complaints" => {
            return complaints::is_asked(scope) && rendered.closure.is_none() && !scope.sandbox;
        }
        "artifacts" => return !rendered.artifacts.is_empty() && !scope.sandbox,
        "apt" => return !rendered.packages.is_empty() && !scope.sandbox,
        _ => true,
    };
    let live = !matches!(id, "host" | "generation" | "paths");
    (declared || rendered.closure.is_none()) && !(live && scope.sandbox)
}

/// Every question of the round. Few processes: files are looked at by one `find` and one
/// `sha256sum`, packages by one `dpkg-query`, units by one `systemctl show`, the rest by the shell.
pub fn queries(scope: &ObserveScope<'_>) -> Vec<Query> {
    let mut queries = all(scope);
    queries.retain(|query| asked(scope, &query.id));
    queries
}

fn all(scope: &ObserveScope<'_>) -> Vec<Query> {
    let rendered = scope.rendered;
    let mut queries = vec![
        Query::inline("host", host(scope.sandbox)),
        Query::inline(
            "generation",
            format!("{BEGIN}{GENERATION}"),
        )
        .with_cap(8 << 20),
        Query::new("paths", paths(scope))
            .with_deadline(Duration::from_secs(60))
            .with_cap(16 << 20),
        Query::new(
            "packages",
            listed(
                "packages.list",
                rendered.packages.keys().map(AsRef::as_ref),
                r"dpkg-query -W -f '${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n' --",
            ),
        )
        .with_cap(4 << 20),
        Query::new(
            "units",
            listed(
                "units.list",
                // systemd answers nothing at all where one of the names is a template's.
                rendered
                    .units
                    .keys()
                    .filter(|unit| !unit.is_template())
                    .map(AsRef::as_ref),
                SHOW_UNITS,
            ),
        )
        .with_cap(4 << 20),
        Query::new(
            "failed",
            "[ ! -d /run/systemd/system ] || systemctl list-units --state=failed --all --plain --no-legend --full --no-pager",
        ),
        Query::inline("sysctls", sysctls(scope)).with_cap(1 << 20),
        Query::inline("modules", modules(scope)),
        way_in::query(),
        Query::inline("config", format!("{}{NEXT_BOOT}\n", precedence::ASK)).with_cap(1 << 20),
        places::query(scope),
        complaints::query(scope),
        apt::query(),
        artifacts::query(scope),
    ];
    if let Some(closure) = &rendered.closure {
        queries.extend(system::queries(closure));
    }
    if !scope.timezones.is_empty() {
        queries.push(clock_query(scope.timezones));
    }
    queries
}

/// The units, and whether those that were passed over at their last start (`Condition…=` in
/// systemd.unit(5)) would be passed over again; only these cost a process each.
const SHOW_UNITS: &str = r#"show() {
  shown=$(systemctl show --no-pager --property=Id,Names,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,ConditionResult,ConditionTimestampMonotonic -- "$@") || return
  printf '%s\n' "$shown"
  state='' result='' stamp=''
  while IFS='=' read -r key value; do
    case $key in
      Id) id=$value ;;
      ActiveState) state=$value ;;
      ConditionResult) result=$value ;;
      ConditionTimestampMonotonic) stamp=$value ;;
      '')
        if [ "$state$result" = inactiveno ] && [ "$stamp" != 0 ]; then
          # Before systemd 250 it knows no --unit, and fails as well.
          told=$(systemd-analyze condition --unit="$id" 2>&1)
          case $?:$told in
            *'unrecognized option'*) ;;
            1:*) printf '\nId=%s\nConditionNow=no\n' "$id" ;;
          esac
        fi
        state='' result='' stamp=''
        ;;
    esac
  done <<SHOWN
$shown

SHOWN
}
show"#;

/// Who the host is, and what its own folder says, in a sandbox as well.
const HOST: &str = r#"R=${DEPLOYCTL_ROOT-}
S=$R/var/lib/deployctl
say() { printf '%s %s\n' "$1" "$2"; }
line() {
  v=
  if [ -r "$2" ]; then IFS= read -r v <"$2" || :; fi
  say "$1" "$v"
}
mac=
if [ -z "$R" ] && [ ! -d /proc/sys ] && [ "$(uname -s)" = Darwin ]; then mac=yes; fi
say uid "$(id -u)"
v=
if [ -r "$R/etc/machine-id" ]; then IFS= read -r v <"$R/etc/machine-id" || :; fi
if [ -n "$mac" ]; then
  v=$(ioreg -rd1 -c IOPlatformExpertDevice | sed -n 's/.*"IOPlatformUUID" = "\(.*\)".*/\1/p')
fi
if [ -n "$v" ]; then
  if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum='shasum -a 256'; fi
  printf 'deployctl:%s' "$v" | $sum | { read -r v _ && say machine "$v"; }
fi
os=
for f in "$R/etc/os-release" "$R/usr/lib/os-release"; do
  if [ -z "$os" ] && [ -r "$f" ]; then
    os=$f
    while IFS= read -r v || [ -n "$v" ]; do say os "$v"; done <"$f"
  fi
done
if [ -n "$mac" ]; then
  say os ID=macos
  say os "VERSION_ID=$(sw_vers -productVersion)"
elif [ -z "$os" ]; then
  say uname "$(uname -s)"
fi
for p in /etc /var/lib /var/lib/deployctl; do
  if [ -e "$R$p" ] && [ ! -w "$R$p" ]; then say read-only "$p"; fi
done
set --
for p in / /boot /var/lib/deployctl; do
  q=$R$p
  while [ ! -e "$q" ] && [ -n "$q" ]; do q=${q%/*}; done
  say disk "$p"
  set -- "$@" "${q:-/}"
done
df -Pk -- "$@" | {
  read -r _
  while read -r _ _ _ v _; do say free "$v"; done
}
if [ -r "$S/lease" ]; then
  while IFS= read -r v; do say lease "$v"; done <"$S/lease"
fi
# Seconds of uptime, the unit of deadlines; a Mac gives its boot as `{ sec = 1700000000, usec = 0 } …`.
up='' boot=''
if [ -n "$mac" ]; then
  boot=$(sysctl -n kern.bootsessionuuid)
  up=$(sysctl -n kern.boottime)
  up=${up#*sec = }
  up=$(($(date +%s) - ${up%%,*}))
elif [ -r /proc/uptime ]; then
  read -r up _ </proc/uptime
  if [ -z "$R" ]; then IFS= read -r boot </proc/sys/kernel/random/boot_id || :; fi
fi
for f in "$S"/applies/*/phase; do
  if [ -r "$f" ] && IFS= read -r v <"$f"; then
    p=${f%/phase}
    case $v in committed | rolled-back | refused) ;; *) say open "${p##*/} $v" ;; esac
    case $v in armed | activating | activated)
      late=
      if [ -r "$p/boot" ]; then IFS= read -r late <"$p/boot" || :; fi
      # After a boot a deadline in seconds of uptime says nothing.
      if [ -n "$late" ] && [ -n "$boot" ] && [ "$late" != "$boot" ]; then
        say overdue "${p##*/}"
      elif [ -r "$p/deadline" ] && IFS= read -r late <"$p/deadline"; then
        if [ "$late" -le "${up%.*}" ] 2>/dev/null; then say overdue "${p##*/}"
        elif [ "$late" -gt 0 ] 2>/dev/null; then say left "${p##*/} $((late - ${up%.*}))"; fi
      fi
      ;;
    esac
  fi
done
"#;

/// What only a whole host has.
const LIVE: &str = r#"if [ -n "$mac" ]; then
  say hostname "$(hostname)"
  say boot "$(sysctl -n kern.bootsessionuuid)"
  say kernel "$(uname -r)"
else
  line hostname /proc/sys/kernel/hostname
  line boot /proc/sys/kernel/random/boot_id
  line kernel /proc/sys/kernel/osrelease
  line cmdline /proc/cmdline
fi
if [ -d /run/systemd/system ]; then say systemd yes; fi
if [ -S /run/udev/control ]; then say udev yes; fi
for f in /sys/class/net/*; do
  if [ -e "$f" ]; then say interface "${f##*/}"; fi
done
if [ -e /run/reboot-required ]; then say reboot-required yes; fi
if [ -r /run/deployctl-reboot/states ]; then
  while IFS= read -r v; do say at-boot "$v"; done </run/deployctl-reboot/states
fi
"#;

/// One `key value` a line.
fn host(sandbox: bool) -> String {
    let live = if sandbox { "" } else { LIVE };
    format!("{HOST}{live}")
}

/// Makes every managed path, declared or of the newest generation, an argument of the script (`.` before it).
pub(super) fn managed_paths(scope: &ObserveScope<'_>) -> String {
    let mut arguments = String::new();
    for path in scope.rendered.entries.keys() {
        let _ = write!(arguments, " \\\n  .{path}");
    }
    format!(
        r#"set -f
IFS='
'
set --{arguments}
if [ -r "$G/paths.list" ]; then
  # shellcheck disable=SC2046 # one path a line
  set -- "$@" $(sed 's/^/./' "$G/paths.list")
fi
"#
    )
}

/// `find`'s view of every path, hashes of the regular files, and texts of those that differ.
///
/// Three parts, each ended by a NUL where a type or size would stand: nine NUL-ended fields a path;
/// `sha256sum` lines; size, path and bytes a text.
fn paths(scope: &ObserveScope<'_>) -> String {
    if scope.rendered.platform() == Platform::Darwin {
        return links(scope);
    }
    let mut wanted = String::new();
    for (path, entry) in &scope.rendered.entries {
        // The text of a file that others may not read never leaves the host.
        if let (Entry::File { ownership, .. }, PathState::File { sha256, .. }) =
            (&entry.entry, PathState::of(&entry.entry))
            && ownership.mode.world_readable()
        {
            let _ = writeln!(wanted, "{sha256}  .{path}");
        }
    }
    format!(
        r#"{BEGIN}{managed}[ "$#" -gt 0 ] || exit 0
own=${{own:?}}
printf %s {wanted} >"$own.want"
find "$@" -maxdepth 0 -fprintf "$own.stat" '%y\0%m\0%u\0%U\0%g\0%G\0%s\0%l\0%p\0' \
  -type f -exec sha256sum -- {{}} + >"$own.sums" 2>/dev/null
[ -e "$own.stat" ] || exit 4
printf '\0' >>"$own.stat"
printf '\0' >>"$own.sums"
cat "$own.stat" "$own.sums"
# shellcheck disable=SC2046 # one path a line
set -- $(awk 'FILENAME == ARGV[1] {{ have[$0] = 1; next }} !($0 in have) {{ print $2 }}' "$own.sums" "$own.want")
[ "$#" -gt 0 ] || exit 0
find "$@" -maxdepth 0 -type f -perm -004 -size -{blocks} -printf '%s\0%p\0' -exec cat {{}} \; 2>/dev/null
exit 0
"#,
        managed = managed_paths(scope),
        wanted = quote(&wanted),
        blocks = DIFF_BLOCKS + 1,
    )
}

/// The same of a Mac, which has links of artifacts alone, by its own tools where the system brings no others. No text is asked for.
fn links(scope: &ObserveScope<'_>) -> String {
    format!(
        r#"{BEGIN}{managed}IFS=' '
own=${{own:?}}
: >"$own.sums"
for path in "$@"; do
  to='' kind=''
  if [ -h "$path" ]; then
    kind=l to=$(readlink "$path")
  elif [ -d "$path" ]; then
    kind=d
  elif [ -f "$path" ]; then
    kind=f
    {{ sha256sum "$path" || shasum -a 256 "$path" || exit 4; }} >>"$own.sums" 2>/dev/null
  elif [ -e "$path" ]; then
    kind=s
  fi
  [ -n "$kind" ] || continue
  stat=$(stat -c '%a %u %g %s|%U|%G' "$path" 2>/dev/null || stat -f '%Lp %u %g %z|%Su|%Sg' "$path") || exit 4
  names=${{stat#*|}}
  read -r mode user group size <<STAT
${{stat%%|*}}
STAT
  printf '%s\0' "$kind" "$mode" "$user" "${{names%|*}}" "$group" "${{names#*|}}" "$size" "$to" "$path"
done
printf '\0'
cat "$own.sums"
printf '\0'
"#,
        managed = managed_paths(scope),
    )
}

/// `command` over wanted names and those of the committed generation; nothing when there are none.
fn listed<'a>(list: &str, names: impl Iterator<Item = &'a str>, command: &str) -> String {
    let mut arguments = String::new();
    for name in names {
        let _ = write!(arguments, " \\\n  {}", quote(name));
    }
    format!(
        r#"{BEGIN}set -f
IFS='
'
set --{arguments}
if [ -r "$G/{list}" ]; then
  # shellcheck disable=SC2046 # one name a line
  set -- "$@" $(cat "$G/{list}")
fi
[ "$#" -gt 0 ] || exit 0
{command} "$@"
"#
    )
}

/// `path:value` a line for every key that the kernel has; `.` and `/` change places between key and path.
fn sysctls(scope: &ObserveScope<'_>) -> String {
    let mut names = String::new();
    for key in scope.rendered.sysctls.keys() {
        let _ = write!(names, " \\\n  {}", key.below_proc_sys());
    }
    format!(
        r#"{BEGIN}set -f
IFS='
'
set --{names}
if [ -r "$G/sysctls.list" ]; then
  # shellcheck disable=SC2046 # one key a line
  set -- "$@" $(sed 'y|./|/.|' "$G/sysctls.list")
fi
[ "$#" -gt 0 ] || exit 0
# Not by `read`: dash asks byte by byte, and these files answer only the first question.
cd /proc/sys || exit 3
grep -asH '' -- "$@"
# 2 is for a key that the kernel does not have: no failure of the question.
exit 0
"#
    )
}

/// Names of loaded or built-in modules; the kernel spells all of them with `_`.
fn modules(scope: &ObserveScope<'_>) -> String {
    let mut names = String::new();
    for module in scope.rendered.modules.keys() {
        let _ = write!(names, " {}", module.as_str().replace('-', "_"));
    }
    if names.is_empty() {
        return ":".to_owned();
    }
    format!(
        r#"IFS= read -r K </proc/sys/kernel/osrelease || :
for m in{names}; do
  if [ -d "/sys/module/$m" ]; then
    echo "$m"
  elif [ -r "/lib/modules/$K/modules.builtin" ] &&
    tr - _ <"/lib/modules/$K/modules.builtin" | grep -q "/$m\.ko"; then
    echo "$m"
  fi
done
"#
    )
}

/// Asks what time it is in these zones; [`super::parse_clocks`] reads it.
pub(crate) fn clock_query(timezones: &[&str]) -> Query {
    Query::inline("clock", clock(timezones))
}

/// `now SECONDS`, then `zone weekday:hour:minute` a line; a zone that the host does not know says nothing, since `date`
/// would quietly take UTC for it. `NixOS` has them below `/etc`, and a shell that did not log in is not told.
fn clock(timezones: &[&str]) -> String {
    let mut text = String::from(CLOCK);
    for zone in timezones {
        let _ = writeln!(text, "clock {}", quote(zone));
    }
    text
}

const CLOCK: &str = r#"echo "now $(date +%s)"
clock() {
  for d in /usr/share/zoneinfo /etc/zoneinfo; do
    if [ -e "$d/$1" ]; then
      echo "$1 $(TZDIR=$d TZ=$1 date +%u:%H:%M)"
      return
    fi
  done
}
"#;
