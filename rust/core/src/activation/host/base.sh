#!/bin/sh
# deployctl's program on the host: runs the scripts of one apply, or undoes it.
#
#   sh /var/lib/deployctl/host.sh status      says what is going on, and what happens next
#   sh /var/lib/deployctl/host.sh rollback    undoes the open apply (works from a console, too)
#
# Joined from several files. The shell reads all of it before the last line starts it, so it may be replaced while it
# runs. Needs coreutils, util-linux (flock, unshare) and systemd or launchd; a sandbox (DEPLOYCTL_SANDBOX=1,
# DEPLOYCTL_ROOT=directory) needs only the first two, see sandbox.sh.
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
newline='
'

# --- small things -------------------------------------------------------------------------------

# flush PATH…: writes them to the disk.
flush() { sync "$@"; }

# flush_tree PATH…: the same with all below them.
flush_tree() { find "$@" ! -type l -exec sync {} +; }

# write_atomically FILE LINE: replaces FILE; a power cut leaves the old line or the new one.
write_atomically() {
  { printf '%s\n' "$2" >"$1.new"; } 2>/dev/null && flush "$1.new" && mv -f "$1.new" "$1" && flush "${1%/*}"
}

# read_line FILE: its first line in $line, or nothing.
read_line() {
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

# Sets $generation to the number of the committed generation; 0 if the file names none, see `check_generation`.
generation() {
  read_line "$S/generation"
  generation=0
  case $line in '' | *[!0-9]* | ??????????*) return 1 ;; esac
  generation=$line
}

# Sets $newest to the last generation on the host; 0 if there is none.
newest_generation() {
  newest=0
  for ng_directory in "$S"/generations/*; do
    ng_number=${ng_directory##*/}
    case $ng_number in '' | *[!0-9]* | ??????????*) continue ;; esac
    if [ "$ng_number" -gt "$newest" ]; then newest=$ng_number; fi
  done
}

phase() {
  read_line "$D/phase"
  phase=${line:-staged}
}

# A phase must survive a power cut only after something was changed.
set_phase() {
  phase=$1
  printf '%s\n' "$1" >"$D/phase"
}
save_phase() {
  write_atomically "$D/phase" "$1" || return 1
  phase=$1
}

# --- steps of scripts, and how they fail --------------------------------------------------------

this=    # the step that runs, in words
rolling= # set while the apply is undone

# begin WORDS: writes to the log which step begins.
begin() {
  this=$1
  printf '==> %s\n' "$this"
}

# step WORDS VERB [ARGUMENT…]: the same for what a rollback has to know of. The journal holds the verb with its arguments,
# one a line, and is all that a rollback goes by: so nothing is done that is not in it. WORDS are for people alone.
step() {
  begin "$1"
  shift
  if [ -n "$rolling" ]; then return; fi
  printf '%s\n' "$*" >>"$D/journal" || die "cannot write down what is done"
}

# journal_has VERB [ARGUMENT…]: whether the activation began this.
journal_has() {
  case $newline$journal$newline in *"$newline$*$newline"*) return 0 ;; esac
  return 1
}

# The last words of the step that runs, in one line.
last_lines() { # [LINES]
  # shellcheck disable=SC2016 # `$` is sed's last line
  tail -n 20 "$D/log" | grep -v '^skip(sandbox)' | sed -n -e '/^==> /{s/.*//;h;d;}' -e 'H;${x;p;}' | tail -n "${1:-3}" |
    tr '\n\t' '  ' | tr -d '\000-\037\177' | sed -e 's/^ *//' -e 's/ *$//' | cut -c 1-400
}

# die TEXT: ends the script that runs (always in a subshell); a rollback goes on.
die() {
  if [ -n "$rolling" ]; then
    note_leftover "$*"
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

# note_leftover TEXT: records what a rollback could not undo. The rollback goes on and reports all of it. $leftovers is set
# even where the text cannot be written.
leftovers=
note_leftover() {
  leftovers=1
  printf 'left: %s\n' "$*"
  printf '%s\n' "$*" >>"$D/left"
}

# --- applies, locks, lease ---------------------------------------------------------------------------

# find_apply ID: sets ID and D.
find_apply() {
  case $1 in '' | *[!a-z0-9-]*) return 1 ;; esac
  ID=$1
  D=$S/applies/$1
  [ ! -d "$D" ] || return 0
  for generation_dir in "$S"/generations/*; do
    read_line "$generation_dir/id"
    if [ "$line" = "$ID" ]; then
      D=$generation_dir
      return 0
    fi
  done
  D=
  return 1
}

# read_meta: what the controller wrote down about this apply. Other programs than the apply's own ask for `status`, so
# `holder`, `base` and `kind` keep their names.
read_meta() {
  m_holder='' m_host='' m_base=0 m_boot='' m_kind='' m_system=''
  m_confirm_seconds=60 m_step_seconds=60 m_max_seconds=600 m_required_kib=0
  [ -r "$D/meta" ] || return 0
  while read -r key value; do
    case $key in
      holder) m_holder=$value ;;
      host) m_host=$value ;;
      base) m_base=$value ;;
      boot) m_boot=$value ;;
      confirm_seconds) m_confirm_seconds=$value ;; # how long the activated host waits for its confirmation
      step_seconds) m_step_seconds=$value ;;       # how long the activation may take before it is undone
      max_seconds) m_max_seconds=$value ;;         # how far the deadline may be put off altogether
      required_kib) m_required_kib=$value ;;
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

# lock_work SECONDS: the process that works on an apply holds its work lock; the kernel releases it when that process dies.
lock_work() {
  find_apply "$ID" || return 1
  exec 9>>"$D/work"
  lock 9 "$1" || return 1
  # It may have become a generation meanwhile.
  find_apply "$ID"
}
unlock_work() { exec 9>&-; }

same_boot() {
  boot_id
  read_line "$D/boot"
  [ "$line" = "$boot" ]
}

# time_left: seconds until the dead-man timer elapses in $left; fails where none is set.
time_left() {
  read_line "$D/deadline"
  [ -n "$line" ] || return 1
  clock
  left=$((line - now))
}

set_deadline() { # seconds of uptime
  printf '%s\n' "$1" >"$D/deadline.new" && mv -f "$D/deadline.new" "$D/deadline"
}

# allow_seconds SECONDS: the next steps may take that long, although no controller puts the deadline off.
allow_seconds() {
  clock
  extend "$((now + $1))"
}

extend() { # uptime; never beyond the limit, never back
  read_line "$D/limit"
  extend_to=$1
  if [ "$extend_to" -gt "${line:-0}" ]; then extend_to=${line:-0}; fi
  read_line "$D/deadline"
  if [ "$extend_to" -gt "${line:-0}" ]; then set_deadline "$extend_to"; fi
}
