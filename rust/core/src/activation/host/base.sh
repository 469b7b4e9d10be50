#!/bin/sh
# deployctl's program on the host: works off the scripts of one apply, and puts it back.
#
#   sh /var/lib/deployctl/host.sh status      what is the case
#   sh /var/lib/deployctl/host.sh rollback    put back what the open apply changed (from a console, too)
#
# Put together from several files; the whole is read before its last line starts it, so it may be
# replaced while it runs. Needs coreutils, util-linux (flock, unshare) and systemd or launchd; in a sandbox
# (DEPLOYCTL_SANDBOX=1, DEPLOYCTL_ROOT=directory) only the first two. DEPLOYCTL_SANDBOX=stand-ins is for tests: there, what
# lies in the sandbox's own store and on PATH stands in for Nix and for the systems it built.
#
# Paths, unit and package names come from a charset without blanks, quotes and glob characters, so lists of them are
# split by the shell on purpose. The working directory is the root: `/etc/x` is `.$path`.
# shellcheck disable=SC2086,SC2317,SC1090,SC1091
set -u
LC_ALL=C
export LC_ALL
umask 077

ROOT=${DEPLOYCTL_ROOT-}
SANDBOX=${DEPLOYCTL_SANDBOX-}
S=$ROOT/var/lib/deployctl
D=                # directory of the apply in question
ID=               # its id
boot_mode=        # set by `recover --boot`: units and live values are made by the boot itself
log_cap=262144    # bytes of log in one status frame
newline='
'

# --- small things -------------------------------------------------------------------------------

# flush PATH…: a sandbox only looks whether they are there, as `sync` would.
flush() {
  if [ -z "$SANDBOX" ]; then
    sync "$@"
    return
  fi
  for fl_path in "$@"; do
    if [ ! -e "$fl_path" ]; then
      printf 'nothing to sync at %s\n' "$fl_path"
      return 1
    fi
  done
}

# keep FILE LINE: replaces FILE; a power cut leaves the old line or the new one.
keep() {
  { printf '%s\n' "$2" >"$1.new"; } 2>/dev/null && flush "$1.new" && mv -f "$1.new" "$1" && flush "${1%/*}"
}

# line FILE: its first line in $line, or nothing.
line() {
  line=
  if [ -r "$1" ]; then IFS= read -r line <"$1" || :; fi
}

clock() {
  if [ "$manager" = launchd ]; then
    # `{ sec = 1700000000, usec = 0 } …`: it is set along with the clock, so the difference is not.
    ck_boot=$(sysctl -n kern.boottime)
    ck_boot=${ck_boot#*sec = }
    now=$(($(date +%s) - ${ck_boot%%,*}))
  elif [ -r /proc/uptime ]; then
    read -r now _ </proc/uptime
    now=${now%.*}
  else
    now=$(date +%s)
  fi
}

boot=
boot_id() {
  if [ -n "$boot" ]; then return; fi
  if [ "$manager" = launchd ]; then
    boot=$(sysctl -n kern.bootsessionuuid) || :
  else
    boot=$(cat "$ROOT/proc/sys/kernel/random/boot_id" 2>/dev/null) || :
  fi
}

# The number of the committed generation in $generation; 0 where the file says none, see `check_generation`.
generation() {
  line "$S/generation"
  generation=0
  case $line in '' | *[!0-9]* | ??????????*) return 1 ;; esac
  generation=$line
}

# The last generation that lies there in $newest, 0 for none.
newest_generation() {
  newest=0
  for ng_directory in "$S"/generations/*; do
    ng_number=${ng_directory##*/}
    case $ng_number in '' | *[!0-9]* | ??????????*) continue ;; esac
    if [ "$ng_number" -gt "$newest" ]; then newest=$ng_number; fi
  done
}

phase() {
  line "$D/phase"
  phase=${line:-staged}
}

# Before anything is changed a phase needs not survive a power cut; later it does.
set_phase() {
  phase=$1
  printf '%s\n' "$1" >"$D/phase"
}
keep_phase() {
  keep "$D/phase" "$1" || return 1
  phase=$1
}

# --- what the scripts do, and how they fail --------------------------------------------------------

this=
rolling= # set while it is put back
step() {
  this=$*
  printf '==> %s\n' "$this"
  # The rollback goes by the journal, so nothing is done that is not in it.
  printf '%s\n' "$this" >>"$D/journal" || [ -n "$rolling" ] || die "cannot write down what is done"
}

# did STEP: whether the activation began it.
did() {
  case $newline$journal$newline in *"$newline$1$newline"*) return 0 ;; esac
  return 1
}

# The last words of the step that runs, in one line.
last_lines() { # [LINES]
  # shellcheck disable=SC2016 # `$` is sed's last line
  tail -n 20 "$D/log" | grep -v '^skip(sandbox)' | sed -n -e '/^==> /{s/.*//;h;d;}' -e 'H;${x;p;}' | tail -n "${1:-3}" |
    tr '\n\t' '  ' | tr -d '\000-\037\177' | sed -e 's/^ *//' -e 's/ *$//' | cut -c 1-400
}

# Ends the script that runs (always in a subshell); a rollback goes on.
die() {
  if [ -n "$rolling" ]; then
    complain "$*"
    return 1
  fi
  printf 'failed: %s\n' "$*"
  printf '%s\n' "$*" >"$D/why"
  exit 1
}

# try COMMAND…: its failure is the step's failure.
try() {
  "$@" || die "\`$this\`: $(last_lines)"
}

# complain TEXT: a rollback goes on whatever happens, and tells all of it. Where even that cannot be written, it is
# still known that there was something.
complained=
complain() {
  complained=1
  printf 'left: %s\n' "$*"
  printf '%s\n' "$*" >>"$D/left"
}

skip() {
  printf 'skip(sandbox): %s\n' "$*"
  printf '%s\n' "$*" >>"$D/skips"
}

# --- applies, locks, lease ---------------------------------------------------------------------------

# find_apply ID: sets ID and D.
find_apply() {
  case $1 in '' | *[!a-z0-9-]*) return 1 ;; esac
  ID=$1
  D=$S/applies/$1
  [ ! -d "$D" ] || return 0
  for generation_dir in "$S"/generations/*; do
    line "$generation_dir/id"
    if [ "$line" = "$ID" ]; then
      D=$generation_dir
      return 0
    fi
  done
  D=
  return 1
}

# What core wrote down for us.
read_meta() {
  m_holder='' m_base=0 m_boot='' m_window=60 m_allow=60 m_cap=600 m_need=0 m_kind='' m_system=''
  [ -r "$D/meta" ] || return 0
  while read -r key value; do
    case $key in
      holder) m_holder=$value ;;
      base) m_base=$value ;;
      boot) m_boot=$value ;;
      window) m_window=$value ;;
      allow) m_allow=$value ;;
      cap) m_cap=$value ;;
      need) m_need=$value ;;
      kind) m_kind=$value ;;
      system) m_system=$value ;;
    esac
  done <"$D/meta"
}

read_lease() {
  lease_apply=
  [ -r "$S/lease" ] || return 1
  while read -r key value; do
    if [ "$key" = apply ]; then lease_apply=$value; fi
  done <"$S/lease"
  [ -n "$lease_apply" ]
}

release_lease() {
  { printf '%s\n' "$ID" >"$S/last.new" && mv -f "$S/last.new" "$S/last"; } 2>/dev/null
  if read_lease && [ "$lease_apply" = "$ID" ]; then rm -f "$S/lease"; fi
}

# lock DESCRIPTOR SECONDS: macOS has no flock(1), and a perl that can do it.
lock() {
  if command -v flock >/dev/null; then
    if [ "$2" -eq 0 ]; then flock -n "$1"; else flock -w "$2" "$1"; fi
  else
    # shellcheck disable=SC2016 # perl's variables
    perl -MFcntl=:flock -e 'open my $f, ">>&=", $ARGV[0] or exit 2; my $end = time + $ARGV[1];
      until (flock $f, LOCK_EX | LOCK_NB) { exit 1 if time >= $end; select undef, undef, undef, 0.1 }' "$1" "$2"
  fi
}

# Whoever works on an apply holds its work lock; the kernel lets go of it when the process dies.
lock_work() { # SECONDS
  find_apply "$ID" || return 1
  exec 9>>"$D/work"
  lock 9 "$1" || return 1
  # It may have become a generation meanwhile.
  find_apply "$ID"
}
unlock_work() { exec 9>&-; }

same_boot() {
  boot_id
  line "$D/boot"
  [ "$line" = "$boot" ]
}

# Seconds until the dead man in $left; fails where none is set.
time_left() {
  line "$D/deadline"
  [ -n "$line" ] || return 1
  clock
  left=$((line - now))
}

set_deadline() { # seconds of uptime
  printf '%s\n' "$1" >"$D/deadline.new" && mv -f "$D/deadline.new" "$D/deadline"
}

# allow SECONDS: the next steps may take so long even if nobody looks.
allow() {
  clock
  extend "$((now + $1))"
}

extend() { # uptime; never beyond the cap, never back
  line "$D/limit"
  extend_to=$1
  if [ "$extend_to" -gt "${line:-0}" ]; then extend_to=${line:-0}; fi
  line "$D/deadline"
  if [ "$extend_to" -gt "${line:-0}" ]; then set_deadline "$extend_to"; fi
}

# --- the status frame: rust/core/src/activation/status.rs reads it -------------------------------------

frame() { # OFFSET
  generation
  printf 'deployctl-status 1\ngeneration %s\n' "$generation"
  if [ -z "$D" ]; then
    printf 'log 0 0 0\n\nend\n'
    return
  fi
  read_meta
  phase
  printf 'apply %s\nholder %s\nphase %s\nbase %s\n' "$ID" "$m_holder" "$phase" "$m_base"
  case $phase in
    armed | activating | activated)
      if time_left; then
        if [ "$left" -lt 0 ]; then left=0; fi
        printf 'deadline %s\n' "$left"
      fi
      ;;
  esac
  if [ -e "$D/boot" ]; then
    if same_boot; then printf 'boot same\n'; else printf 'boot other\n'; fi
  fi
  if [ -s "$D/skips" ]; then
    skipped=0
    while read -r _; do skipped=$((skipped + 1)); done <"$D/skips"
    printf 'skipped %s\n' "$skipped"
  fi
  line "$D/failure"
  if [ -n "$line" ]; then printf 'failure %s\n' "$line"; fi
  if [ -s "$D/reboot" ]; then
    while IFS= read -r reason; do printf 'reboot %s\n' "$reason"; done <"$D/reboot"
  fi
  if [ ! -s "$D/log" ]; then
    printf 'log 0 0 0\n\nend\n'
    return
  fi
  size=$(wc -c <"$D/log")
  size=$((size))
  offset=$1
  if [ "$offset" -gt "$size" ]; then offset=$size; fi
  length=$((size - offset))
  if [ "$length" -gt "$log_cap" ]; then length=$log_cap; fi
  printf 'log %s %s %s\n' "$offset" "$size" "$length"
  if [ "$length" -gt 0 ]; then tail -c "+$((offset + 1))" "$D/log" | head -c "$length"; fi
  printf '\nend\n'
}

# answer STATUS: the frame and the end of the program.
last_act= # the job that this runs in, once it has to go
answer() {
  frame 0
  if [ -n "$last_act" ]; then launchctl bootout "system/$last_act"; fi
  exit "$1"
}
