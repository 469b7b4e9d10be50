//! What a host of a Nix platform is asked for its system.

use std::time::Duration;

use crate::closure::Closure;
use crate::inventory::Platform;
use crate::query::Query;

/// `$W` is the wanted system; `target` puts where a link leads into `$v`, and nothing where it leads nowhere.
const BEGIN: &str = r#"R=${DEPLOYCTL_ROOT-}
target() {
  v=
  if [ -e "$1" ]; then v=$(readlink -f "$1") && v=${v#"$R"}; fi
}
# Whether it is in the store, complete.
valid() { [ -e "$R$W" ] && nix-store --check-validity "$W" 2>/dev/null; }
target "$R/run/current-system"
current=$v
"#;

/// How an apply reads what the boot loader starts, into `$sys_boot`; it looks below `$ROOT`.
const BOOT_DEFAULT: &str = include_str!("../../activation/host/boot.sh");

/// Also runs a command that writes files, which the cap on answers must not cut off, and prints its exit status.
const FREELY: &str = r#"freely() {
  { (ulimit -f unlimited 2>/dev/null; "$@" </dev/null); echo "status $?"; } | cat
}
[ "$current" != "$W" ] && valid || exit 0
"#;

/// Asks for versions, links and free space; if the wanted system is on the host and does not run, also for the contents
/// of both and the effect of the switch. A host that runs it answers with a few links.
pub(super) fn queries(closure: &Closure) -> Vec<Query> {
    // A store path needs no quotes.
    let begin = format!("W={}\n{BEGIN}", closure.toplevel);
    let mut queries = vec![
        Query::new("system", format!("{begin}ROOT=$R\n{BOOT_DEFAULT}{SYSTEM}"))
            .with_deadline(Duration::from_secs(20)),
        Query::new("closures", format!("{begin}{FREELY}{CLOSURES}"))
            .with_deadline(Duration::from_secs(60))
            .with_cap(16 << 20),
    ];
    if closure.platform == Platform::Nixos {
        queries.push(Query::inline("inhibitors", format!("{begin}{INHIBITORS}")));
        queries.push(
            Query::new("dry-activate", format!("{begin}{FREELY}{DRY_ACTIVATE}"))
                .with_deadline(Duration::from_secs(90))
                .with_cap(256 << 10),
        );
    }
    queries
}

/// One `key value` a line.
const SYSTEM: &str = r#"say() { printf '%s %s\n' "$1" "$2"; }
boot() {
  for n in kernel initrd kernel-modules; do
    target "$2/$n"
    if [ -n "$v" ]; then say "$1" "$n $v"; fi
  done
  v=
  if [ -r "$2/kernel-params" ]; then
    IFS= read -r v <"$2/kernel-params" || :
    say "$1" "kernel-params $v"
  fi
}
if v=$(nix --version 2>/dev/null); then say nix "$v"; fi
say current "$current"
target "$R/nix/var/nix/profiles/system"
say profile "$v"
boot_default
say boot "$sys_boot"
boot booted "$R/run/booted-system"
if [ "$current" = "$W" ] || valid; then
  say valid yes
  boot wanted "$R$W"
fi
if [ -e "$R/nix/store" ]; then
  df -Pk -- "$R/nix/store" | {
    read -r _
    read -r _ _ _ v _ && say free "$v"
  }
fi
"#;

/// Path and size a line, of either system.
const CLOSURES: &str = r#"sizes() { freely nix --extra-experimental-features nix-command path-info --recursive --size "$1"; }
echo wanted
sizes "$W"
case $current in
  /nix/store/*)
    echo current
    sizes "$current"
    ;;
esac
"#;

/// What runs, NUL, what is wanted.
const INHIBITORS: &str = r#"if [ "$current" = "$W" ] || [ ! -e "$R$W" ]; then exit 0; fi
f=$R$current/switch-inhibitors
if [ -r "$f" ]; then cat "$f"; fi
printf '\0'
f=$R$W/switch-inhibitors
if [ -r "$f" ]; then cat "$f"; fi
"#;

/// Nothing has to reach the disk for a rehearsal.
const DRY_ACTIVATE: &str = r#"rehearse() { NIXOS_NO_SYNC=1 "$R$W/bin/switch-to-configuration" dry-activate 2>&1; }
echo ran
freely rehearse
"#;
