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

# --- what stands at paths ---------------------------------------------------------------------------------

# account NAME NUMBER: how an owner or a group is called in a plan, in $account: by name, and `_` with the number where
# it has no name, or one that a plan cannot hold (`first.last`, `DOMAIN\user`). A name that looks like such a number counts as none.
# rust/core/src/observed/paths.rs does the same.
account() {
  account=$1
  case $1 in
    '' | [!a-z_]* | *[!a-z0-9_-]* | ????????????????????????????????*) account=_$2 ;;
    _*[!0-9]*) ;;
    _*) account=_$2 ;;
  esac
}

# states LIST [numbers]: a line `KIND SHA256 MODE OWNER GROUP PATH [TARGET]` for each path in the file LIST. KIND is f,
# d, l (symlink), a (absent) or o (other). Three processes however many paths. Owners mean nothing in a sandbox. With
# `numbers` they are told by number alone, which stays the same when an account comes or goes.
states() {
  st_list=
  while read -r st_path; do st_list="$st_list .$st_path"; done <"$1"
  [ -n "$st_list" ] || return 0
  # By way of a variable, since `stat` fails as well where a path is not there, and a full disk must not look like that.
  st_found=$(stat -c '%f %a %u %g %n|%U|%G' -- $st_list 2>/dev/null)
  printf '%s\n' "$st_found" >"$D/.stat" || return 1
  st_files=
  while read -r st_type _ _ _ st_name; do
    case $st_type in 8???) st_files="$st_files ${st_name%%|*}" ;; esac
  done <"$D/.stat"
  : >"$D/.sums"
  if [ -n "$st_files" ]; then sha256sum -- $st_files >"$D/.sums" || return 1; fi
  exec 3<"$D/.stat" 4<"$D/.sums"
  st_name='' st_bad=''
  while read -r st_path; do
    if [ -z "$st_name" ]; then
      read -r st_type st_mode st_owner st_group st_names <&3 || st_names=
      st_name=${st_names%%|*} st_names=${st_names#*|}
    fi
    if [ "$st_name" != ".$st_path" ]; then
      printf 'a - - - - %s\n' "$st_path" || st_bad=1
      continue
    fi
    st_name=
    if [ -n "$SANDBOX" ]; then
      st_owner=- st_group=-
    elif [ "${2-}" != numbers ]; then
      account "${st_names%%|*}" "$st_owner" && st_owner=$account
      account "${st_names#*|}" "$st_group" && st_group=$account
    fi
    case $st_type in
      8???)
        read -r st_sum _ <&4
        printf 'f %s %s %s %s %s\n' "$st_sum" "$st_mode" "$st_owner" "$st_group" "$st_path" || st_bad=1
        ;;
      4???) printf 'd - %s %s %s %s\n' "$st_mode" "$st_owner" "$st_group" "$st_path" || st_bad=1 ;;
      a???) printf 'l - - - - %s %s\n' "$st_path" "$(readlink ".$st_path")" || st_bad=1 ;;
      *) printf 'o - - - - %s\n' "$st_path" || st_bad=1 ;;
    esac
  done <"$1"
  exec 3<&- 4<&-
  [ -z "$st_bad" ]
}

# differing EXPECTED FOUND: the paths whose lines differ, in $differing. A line `? … PATH` expects nothing.
differing() {
  differing=
  exec 3<"$2"
  while read -r kind sum mode owner group rest; do
    IFS= read -r found <&3 || found=
    if [ -n "$SANDBOX" ]; then owner=- group=-; fi
    if [ "$kind" != '?' ] && [ "$kind $sum $mode $owner $group $rest" != "$found" ]; then
      differing="$differing ${rest%% *}"
    fi
  done <"$1"
  exec 3<&-
}

# --- checkpoint: what is really there --------------------------------------------------------------------------

checkpoint_paths() {
  step "checkpoint files"
  states "$D/touched" numbers >"$D/checkpoint/states" || die "cannot read the paths that would change: $(last_lines)"
  cp_list=
  while read -r kind _ _ _ _ rest; do
    case $kind in f | l) cp_list="$cp_list .${rest%% *}" ;; esac
  done <"$D/checkpoint/states"
  if [ -n "$cp_list" ]; then
    cp -a --parents -t "$D/checkpoint/tree" -- $cp_list || die "cannot save the files that would change: $(last_lines)"
  fi
}

checkpoint_sysctl() {
  if [ -n "$SANDBOX" ]; then return; fi
  if read_sysctl "$1"; then printf '%s %s\n' "$1" "$value" >>"$D/checkpoint/sysctls" || die "cannot save sysctl \`$1\`"; fi
}

checkpoint_module() {
  if [ -n "$SANDBOX" ]; then return; fi
  if module_loaded "$1"; then printf '%s\n' "$1" >>"$D/checkpoint/modules" || die "cannot save module \`$1\`"; fi
}

checkpoint_units() {
  if [ -n "$SANDBOX" ]; then return; fi
  step "checkpoint units"
  unit_states "$@" >"$D/checkpoint/units" || die "cannot ask systemd for the state of units: $(last_lines)"
  checkpoint_run_sshd
}

checkpoint_firewall() { # FAMILY TABLE
  if [ -n "$SANDBOX" ] || ! command -v nft >/dev/null; then return; fi
  nft list table "$1" "$2" >"$D/checkpoint/firewall" 2>/dev/null || rm -f "$D/checkpoint/firewall"
}

checkpoint_network() { # netplan|networkd|any…
  if [ -n "$SANDBOX" ]; then return; fi
  addresses >"$D/checkpoint/addresses"
  mtus >"$D/checkpoint/mtus"
  works_now network network_readable "$@"
}

checkpoint_udev() {
  if [ -z "$SANDBOX" ] && udev_runs; then works_now udev udevadm control --reload; fi
}

# What boots the host, so that it is seen whether it was written anew.
boot_files() { stat -c '%n %s %Y %i' /boot/initrd* /boot/grub/grub.cfg 2>/dev/null || :; }

checkpoint_boot_files() {
  if [ -n "$SANDBOX" ]; then return; fi
  boot_files >"$D/checkpoint/boot-files" || die "cannot save what boots this host"
}

# works_now WORD COMMAND…: whether the step of a rollback called WORD could be done before anything was changed.
works_now() {
  wn_word=$1
  shift
  "$@" >"$D/.works" 2>&1 && return
  printf 'does not work before the apply: %s: %s\n' "$wn_word" "$(head -n 1 "$D/.works")"
  printf '%s\n' "$wn_word" >>"$D/checkpoint/broken" || die "cannot write down what does not work"
}

# checkpointed FILE WORD: the line of checkpoint/FILE that begins with WORD, without it, in $value.
checkpointed() {
  saved "$D/checkpoint/$1" "$2"
}

saved() { # FILE WORD
  [ -r "$1" ] || return 1
  while read -r saved_word value; do
    if [ "$saved_word" = "$2" ]; then return 0; fi
  done <"$1"
  return 1
}

# --- generation 0: what was there before deployctl ------------------------------------------------------------
# original/index has lines `GENERATION STATE-LINE`, the bytes lie in original/GENERATION/PATH; sysctls and units are as
# in a checkpoint. A path that was always as we want it was never changed, so it has no line and stays.

# originals: writes down, beside what is there, generation 0 with what this apply's checkpoint holds for the first
# time. Run before the commit, where it may fail, and again in it; there `keep_originals` puts it into place.
originals() {
  step "keep originals"
  mkdir -p "$S/original/$next" || return 1
  # $forgotten: what goes back to its original by this apply (` /etc/x unit:x.service sysctl:net/… `).
  or_known=' ' or_files='' or_bad='' or_lines=0
  {
    if [ -r "$S/original/index" ]; then
      while read -r or_generation or_line; do
        or_rest=${or_line#* * * * * }
        or_path=${or_rest%% *}
        case $forgotten in *" $or_path "*) continue ;; esac
        or_known="$or_known$or_path "
        printf '%s %s\n' "$or_generation" "$or_line" || or_bad=1
        or_lines=$((or_lines + 1))
      done <"$S/original/index"
    fi
    # An apply of packages alone has no paths.
    if [ -s "$D/touched" ]; then
      while IFS= read -r or_line; do
        or_rest=${or_line#* * * * * }
        or_path=${or_rest%% *}
        case $forgotten$or_known in *" $or_path "*) continue ;; esac
        case $or_line in [fl]' '*) or_files="$or_files .$or_path" ;; esac
        printf '%s %s\n' "$next" "$or_line" || or_bad=1
        or_lines=$((or_lines + 1))
      done <"$D/checkpoint/states" || or_bad=1
    fi
  } >"$S/original/index.new" || return 1
  [ -z "$or_bad" ] || return 1
  if [ -n "$or_files" ]; then
    (cd "$D/checkpoint/tree" && cp -al --parents -t "$S/original/$next" -- $or_files) || return 1
    if [ -z "$SANDBOX" ]; then find "$S/original/$next" ! -type l -exec sync {} + || return 1; fi
  fi
  merge_originals sysctls sysctl || return 1
  merge_originals units unit || return 1
  merge_originals holds hold || return 1
  whole "$S/original/index.new"
}

# whole FILE: all $or_lines lines of it are there.
whole() {
  flush "$1" || return 1
  or_there=$(wc -l <"$1") || return 1
  [ "$((or_there))" -eq "$or_lines" ]
}

keep_originals() {
  for ko_file in sysctls units holds index; do
    mv -f "$S/original/$ko_file.new" "$S/original/$ko_file" || return 1
  done
  flush "$S/original"
}

merge_originals() { # FILE KIND
  or_known=' ' or_bad=''
  for or_file in "$S/original/$1" "$D/checkpoint/$1"; do
    [ -r "$or_file" ] || continue
    while read -r or_word or_rest; do
      case $forgotten in *" $2:$or_word "*) continue ;; esac
      case $or_known in *" $or_word "*) continue ;; esac
      or_known="$or_known$or_word "
      printf '%s %s\n' "$or_word" "$or_rest" || or_bad=1
    done <"$or_file"
  done >"$S/original/$1.new" || return 1
  [ -z "$or_bad" ] && flush "$S/original/$1.new"
}

forgotten=' '
forget() { forgotten="$forgotten$1 "; }

# original_state PATH: its line in generation 0: generation in $or_generation, the rest in $state.
original_state() {
  [ -r "$S/original/index" ] || return 1
  while read -r or_generation state; do
    or_rest=${state#* * * * * }
    if [ "${or_rest%% *}" = "$1" ]; then return 0; fi
  done <"$S/original/index"
  return 1
}

# --- files: written beside their place, synced and renamed together -----------------------------------------------
# `place`, `link` and the like prepare; `settle` syncs all that was prepared, renames, and syncs the directories. New
# files of one directory are installed and renamed together, by way of a directory in it: a process per file is what
# an apply would spend most of its time on.

placed=      # lines: DIRECTORY MODE OWNER GROUP SOURCE
nest=.deployctl.new
prepared=    # pairs: temporary name, path
to_sync=
directories=' '

# parents PATH: makes its missing parent directories and writes them down before.
parents() {
  pa_directory=${1%/*}
  if [ -z "$pa_directory" ] || [ -d ".$pa_directory" ]; then return; fi
  pa_up=$pa_directory
  while [ -n "$pa_up" ] && [ ! -d ".$pa_up" ]; do
    printf '%s\n' "$pa_up" >>"$D/made" || die "cannot write down what is made"
    pa_up=${pa_up%/*}
  done
  umask 022
  try mkdir -p -- ".$pa_directory"
  umask 077
}

prepare() { # TEMPORARY PATH
  prepared="$prepared $1 .$2"
  case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
}

# clear PATH: nothing that a rename cannot replace may stand there.
clear() {
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then try rmdir -- ".$1"; fi
}

place() { # N PATH MODE OWNER GROUP
  step "place $2"
  parents "$2"
  clear "$2"
  placed="$placed.${2%/*} $3 $4 $5 $1/${2##*/}$newline"
  case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
}

# place_all: what `place` has gathered.
place_all() {
  [ -n "$placed" ] || return 0
  this='place files'
  pa_nests=' ' pa_all=$placed pa_dirs=' '
  # All nests first.
  while read -r pa_dir _; do
    case $pa_dirs in *" $pa_dir "*) continue ;; esac
    pa_dirs="$pa_dirs$pa_dir " pa_nests="$pa_nests$pa_dir/$nest "
  done <<LINES
${placed%"$newline"}
LINES
  try mkdir -- $pa_nests
  # One `install` for all that agree in directory, mode and owner.
  while [ -n "$pa_all" ]; do
    pa_key='' pa_rest='' pa_sources=''
    while read -r pa_dir pa_mode pa_owner pa_group pa_source; do
      if [ -z "$pa_key" ]; then
        pa_key="$pa_dir $pa_mode $pa_owner $pa_group"
        set -- "$pa_dir/$nest" "$pa_mode" "$pa_owner" "$pa_group"
      fi
      if [ "$pa_key" = "$pa_dir $pa_mode $pa_owner $pa_group" ]; then
        pa_sources="$pa_sources $pa_source"
        to_sync="$to_sync $pa_dir/$nest/${pa_source##*/}"
      else
        pa_rest="$pa_rest$pa_dir $pa_mode $pa_owner $pa_group $pa_source$newline"
      fi
    done <<LINES
${pa_all%"$newline"}
LINES
    pa_all=$pa_rest
    install_all "$@"
  done
}

install_all() { # DIRECTORY MODE OWNER GROUP: of $pa_sources
  case $1 in /*) ia_to=$1 ;; *) ia_to=$ROOT/${1#./} ;; esac
  if [ -n "$SANDBOX" ]; then ia_account=; else ia_account="-o $3 -g $4"; fi
  (cd "$D/tree" && install -m "$2" $ia_account -t "$ia_to" -- $pa_sources) || die "\`$this\`: $(last_lines)"
}

directory() { # PATH MODE OWNER GROUP
  step "directory $1"
  parents "$1"
  if [ -h ".$1" ] || { [ -e ".$1" ] && [ ! -d ".$1" ]; }; then try rm -f -- ".$1"; fi
  if [ -n "$SANDBOX" ]; then
    try install -d -m "$2" -- ".$1"
  else
    try install -d -m "$2" -o "$3" -g "$4" -- ".$1"
  fi
  case $directories in *" .${1%/*}/ "*) ;; *) directories="$directories.${1%/*}/ " ;; esac
}

link() { # N PATH TARGET
  step "link $2"
  parents "$2"
  clear "$2"
  pl_new=.${2%/*}/.deployctl-$1.new
  try ln -sfn -- "$3" "$pl_new"
  prepare "$pl_new" "$2"
}

# A directory is only removed when it is empty: what others put there is not ours.
remove() { # PATH
  step "remove $1"
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then
    try rmdir -- ".$1"
  else
    try rm -f -- ".$1"
  fi
  if [ -d ".${1%/*}/" ]; then
    case $directories in *" .${1%/*}/ "*) ;; *) directories="$directories.${1%/*}/ " ;; esac
  fi
}

rename_all() { # DIRECTORY
  ra_files=
  while read -r ra_dir _ _ _ ra_source; do
    if [ "$ra_dir" = "$1" ]; then ra_files="$ra_files $1/$nest/${ra_source##*/}"; fi
  done <<LINES
${placed%"$newline"}
LINES
  try mv -f -t "$1/" -- $ra_files
}

settle() {
  place_all
  if [ -n "$to_sync" ]; then try flush $to_sync; fi
  if [ -n "$placed" ]; then
    for se_dir in $pa_dirs; do rename_all "$se_dir"; done
    try rmdir -- $pa_nests
    placed=
  fi
  set -- $prepared
  while [ $# -gt 0 ]; do
    try mv -fT -- "$1" "$2"
    shift 2
  done
  sync_directories
  prepared='' to_sync='' directories=' '
}

# sync_directories: those that are still there. One that went away since was ours, and its own parent is among them.
sync_directories() {
  sd_there=
  for sd_directory in $directories; do
    if [ -d "$sd_directory" ]; then sd_there="$sd_there $sd_directory"; fi
  done
  [ -n "$sd_there" ] || return 0
  this='sync directories'
  try flush $sd_there
}

# original N PATH: as it was before deployctl first managed it.
original() {
  if ! original_state "$2"; then
    step "original $2: never changed, stays"
    return
  fi
  step "original $2"
  put_state "$1" "$2" "$state" "$S/original/$or_generation" || die "\`$this\`: $(last_lines)"
}

# put_state N PATH STATE-LINE TREE: prepares PATH as the line says, with the bytes in TREE.
put_state() {
  read -r ps_kind _ ps_mode ps_owner ps_group _ <<LINE
$3
LINE
  ps_account=
  if [ -z "$SANDBOX" ]; then
    # Numbers here. Older records have names, and `UNKNOWN` or `_unknown` where there was none: what stands there keeps its
    # owner then.
    case $ps_owner in UNKNOWN | _unknown) ;; _[0-9]*) ps_account="-o ${ps_owner#_}" ;; *) ps_account="-o $ps_owner" ;; esac
    case $ps_group in
      UNKNOWN | _unknown) ;;
      _[0-9]*) ps_account="$ps_account -g ${ps_group#_}" ;;
      *) ps_account="$ps_account -g $ps_group" ;;
    esac
  fi
  pl_new=.${2%/*}/.deployctl-$1.new
  case $ps_kind in
    f | l)
      if [ ! -d ".${2%/*}/" ]; then mkdir -p -- ".${2%/*}" || return 1; fi
      if [ -d ".$2" ] && [ ! -h ".$2" ]; then rmdir -- ".$2" || return 1; fi
      rm -f -- "$pl_new"
      cp -a -T -- "$4/.$2" "$pl_new" || return 1
      if [ "$ps_kind" = f ]; then to_sync="$to_sync $pl_new"; fi
      prepare "$pl_new" "$2"
      ;;
    d)
      if [ -h ".$2" ] || { [ -e ".$2" ] && [ ! -d ".$2" ]; }; then rm -f -- ".$2" || return 1; fi
      install -d -m "$ps_mode" $ps_account -- ".$2"
      ;;
    a)
      if [ -d ".$2" ] && [ ! -h ".$2" ]; then
        rmdir -- ".$2" 2>/dev/null || printf 'kept: %s is not empty\n' "$2"
      else
        rm -f -- ".$2" || return 1
      fi
      if [ -d ".${2%/*}/" ]; then
        case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
      fi
      ;;
    *)
      printf '%s was neither file, directory nor link\n' "$2"
      return 1
      ;;
  esac
}

# restore_path N PATH: as the checkpoint says; what is so already is not touched.
restored=' '
restore_path() {
  rp_was='' rp_now=''
  eval "rp_was=\$was_$1 rp_now=\$now_$1"
  if [ "$rp_was" = "$rp_now" ]; then return; fi
  step "restore $2"
  restored="$restored$2 "
  put_state "$1" "$2" "$rp_was" "$D/checkpoint/tree" || complain "\`$2\` is not as it was: $(last_lines)"
}

# compare_paths: reads for `restore_path` what was and what is.
compare_paths() {
  [ -s "$D/touched" ] || return 0
  states "$D/touched" numbers >"$D/now" || complain "cannot read the paths that changed"
  cmp_n=0
  exec 3<"$D/now"
  # shellcheck disable=SC2034 # used in the eval
  while IFS= read -r cmp_was; do
    IFS= read -r cmp_now <&3 || cmp_now=
    # shellcheck disable=SC2034 # read by restore_path
    eval "was_$cmp_n=\$cmp_was now_$cmp_n=\$cmp_now"
    cmp_n=$((cmp_n + 1))
  done <"$D/checkpoint/states"
  exec 3<&-
}

# Removes the directories that were made for files, if nobody else uses them.
unmake_parents() {
  [ -s "$D/made" ] || return 0
  while read -r made; do
    if [ -d ".$made" ]; then rmdir -- ".$made" 2>/dev/null || :; fi
  done <"$D/made"
}

# Temporary files that an interrupted `settle` left.
sweep() {
  sw_n=0
  while read -r sw_path; do
    if [ -e ".${sw_path%/*}/.deployctl-$sw_n.new" ] || [ -h ".${sw_path%/*}/.deployctl-$sw_n.new" ]; then
      rm -f -- ".${sw_path%/*}/.deployctl-$sw_n.new"
    fi
    if [ -d ".${sw_path%/*}/$nest" ]; then rm -rf -- ".${sw_path%/*}/$nest"; fi
    sw_n=$((sw_n + 1))
  done <"$D/touched"
}

verify_paths() {
  [ -s "$D/touched" ] || return 0
  states "$D/touched" numbers >"$D/now" || complain "cannot read the paths that changed"
  differing "$D/checkpoint/states" "$D/now"
  for vp_path in $differing; do
    # A directory that we made and others filled is kept, and was told.
    if [ -d ".$vp_path" ] && [ ! -h ".$vp_path" ] && original_absent "$vp_path" && ! rmdir -- ".$vp_path" 2>/dev/null; then
      continue
    fi
    complain "\`$vp_path\` is not as it was"
  done
}

original_absent() {
  while read -r oa_kind _ _ _ _ oa_path _; do
    if [ "$oa_path" = "$1" ]; then
      [ "$oa_kind" = a ]
      return
    fi
  done <"$D/checkpoint/states"
  return 1
}

# --- live values -------------------------------------------------------------------------------------------------

# read_sysctl KEY: the value in $value, blanks made single. KEY is the path below /proc/sys.
read_sysctl() {
  # Not by `read`: it asks byte by byte, and these files have an answer only to the first question.
  value=$(cat "/proc/sys/$1" 2>/dev/null) || return 1
  set -f
  value=$(printf '%s ' $value)
  set +f
  value=${value% }
}

sysctl_set() { # KEY VALUE
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 = $2"
    return
  fi
  step "sysctl $1 = $2"
  [ -e "/proc/sys/$1" ] || die "\`$this\`: the kernel has no such setting"
  write_sysctl "$1" "$2" || die "\`$this\`: $why"
}

# write_sysctl KEY VALUE: fails with the kernel's reason in $why.
write_sysctl() {
  why=$(printf '%s\n' "$2" | tee "/proc/sys/$1" 2>&1 >/dev/null) && return
  case $why in
    *'Read-only file system') why="\`/proc/sys\` is read-only here (a container?)" ;;
    *) why="the kernel does not take it${why:+: ${why##*: }}" ;;
  esac
  return 1
}

sysctl_original() { # KEY
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 as it was"
  elif saved "$S/original/sysctls" "$1"; then
    sysctl_set "$1" "$value"
  fi
}

sysctl_back() { # KEY
  if [ -n "$SANDBOX$boot_mode" ] || ! checkpointed sysctls "$1"; then return; fi
  sb_was=$value
  if read_sysctl "$1" && [ "$value" = "$sb_was" ]; then return; fi
  step "sysctl $1 = $sb_was"
  write_sysctl "$1" "$sb_was" || :
  if ! read_sysctl "$1" || [ "$value" != "$sb_was" ]; then complain "sysctl \`$1\` is \`$value\` and was \`$sb_was\`"; fi
}

module_loaded() {
  ml_name=$(printf '%s' "$1" | tr - _)
  [ -d "/sys/module/$ml_name" ]
}

module() { # NAME
  if [ -n "$SANDBOX" ]; then
    skip "module $1"
    return
  fi
  step "module $1"
  try modprobe -- "$1"
}

module_back() { # NAME
  if [ -n "$SANDBOX$boot_mode" ] || checkpointed modules "$1" || ! did "module $1"; then return; fi
  if ! module_loaded "$1"; then return; fi
  step "unload module $1"
  modprobe -r -- "$1" || printf 'kept: module %s is in use\n' "$1"
}

# --- follow-ups -------------------------------------------------------------------------------------------------------

# follow WORD COMMAND…: a step that a sandbox leaves out.
follow() {
  fo_word=$1
  shift
  if [ -n "$SANDBOX" ]; then
    skip "$fo_word"
    return
  fi
  step "$fo_word"
  try "$@"
}

sysusers() { follow sysusers systemd-sysusers "$@"; }
tmpfiles() { follow tmpfiles make_tmpfiles "$@"; }
udev() { follow udev reload_udev; }
daemon_reload() { follow daemon-reload systemctl daemon-reload; }
initramfs() { follow initramfs update-initramfs -u; }
bootloader() { follow bootloader update-grub; }
firewall() { follow firewall load_firewall "$@"; }

# sweep_accounts: a systemd-sysusers that was killed leaves copies of the account files, with the passwords in them.
sweep_accounts() {
  if [ -n "$SANDBOX" ] || ! did sysusers || [ ! -e "$D/checkpoint/states" ]; then return; fi
  find ./etc -maxdepth 1 -type f -newer "$D/checkpoint/states" \
    \( -name '.#passwd*' -o -name '.#group*' -o -name '.#shadow*' -o -name '.#gshadow*' \) -delete || :
}

# A container has none, or may not write to /sys.
udev_runs() { command -v udevadm >/dev/null && [ -S /run/udev/control ]; }

reload_udev() {
  if ! udev_runs; then
    printf 'skip: no udev runs here\n'
    return
  fi
  udevadm control --reload || return 1
  if [ ! -w /sys ]; then
    printf 'skip: udev cannot try its devices again, since /sys is read-only here\n'
    return
  fi
  udevadm trigger && udevadm settle --timeout=30
}

# systemd before 250 does not know `:MODE`, which leaves alone what is there already. What is there is left out for it.
make_tmpfiles() { # FILE…
  if [ "$(systemd_version)" -lt 250 ]; then
    mt_n=0
    for mt_file in "$@"; do
      set -- "$@" "$D/.tmpfiles$mt_n.conf"
      shift
      without_colons ".$mt_file" >"$D/.tmpfiles$mt_n.conf" || return 1
      mt_n=$((mt_n + 1))
    done
  fi
  systemd-tmpfiles --create "$@"
}

without_colons() { # FILE
  while IFS= read -r wc_line || [ -n "$wc_line" ]; do
    case $wc_line in
      [!\#]*' :'*)
        wc_path=${wc_line#* }
        if [ -e ".${wc_path%% *}" ]; then continue; fi
        printf '%s\n' "$wc_line" | sed 's/ :/ /g'
        ;;
      *) printf '%s\n' "$wc_line" ;;
    esac
  done <"$1"
}

systemd_version() {
  systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'
}

# load_firewall FAMILY TABLE FILE…: our table, all at once, and nobody else's.
load_firewall() {
  lf_family=$1 lf_table=$2
  shift 2
  {
    printf 'table %s %s\ndelete table %s %s\n' "$lf_family" "$lf_table" "$lf_family" "$lf_table"
    [ $# -eq 0 ] || cat -- "$@"
  } >"$D/.nft" && nft -f "$D/.nft"
}

# reboot_needed REASON: told in the status, and where the distribution's own tools look.
reboot_needed() {
  printf '%s\n' "$1" >>"$D/reboot"
  if [ -n "$SANDBOX" ]; then
    skip "reboot: $1"
    return
  fi
  step "needs a reboot: $1"
  if [ -z "$m_kind" ] && [ ! -e /run/reboot-required ]; then
    printf '*** System restart required ***\n' >/run/reboot-required
    chmod 0644 /run/reboot-required
    : >"$D/reboot-required"
  fi
}

# again WORD COMMAND…: the rollback's side of a follow-up that the activation began.
again() {
  ag_word=$1
  shift
  if [ -n "$SANDBOX$boot_mode" ] || ! did "$ag_word"; then return; fi
  printf '==> %s again\n' "$ag_word"
  if "$@"; then return; fi
  ag_text="$ag_word: $(last_lines)"
  if saved "$D/checkpoint/broken" "$ag_word"; then
    printf 'told: it did not work before this apply either: %s\n' "$ag_text"
  else
    complain "$ag_text"
  fi
}

udev_back() { again udev reload_udev; }
initramfs_back() { boot_files_back initramfs update-initramfs -u; }
bootloader_back() { boot_files_back bootloader update-grub; }

# boot_files_back WORD COMMAND…: where it fails and nothing was written by the activation either, the host boots as before.
boot_files_back() {
  if [ -n "$SANDBOX$boot_mode" ] || ! did "$1"; then return; fi
  bb_word=$1
  shift
  printf '==> %s again\n' "$bb_word"
  if "$@"; then return; fi
  bb_text="$bb_word: $(last_lines)"
  if [ -e "$D/checkpoint/boot-files" ] && [ "$(boot_files)" = "$(cat "$D/checkpoint/boot-files")" ]; then
    printf 'told: what boots this host is as it was, though: %s\n' "$bb_text"
  else
    complain "$bb_text"
  fi
}

daemon_reload_back() {
  if [ -n "$SANDBOX" ]; then return; fi
  printf '==> daemon-reload again\n'
  systemctl daemon-reload || complain "daemon-reload: $(last_lines)"
}

firewall_back() { # FAMILY TABLE
  # Without it nothing was loaded.
  if ! command -v nft >/dev/null; then return; fi
  again firewall load_checkpointed_firewall "$1" "$2"
}

load_checkpointed_firewall() {
  if [ -s "$D/checkpoint/firewall" ]; then
    load_firewall "$1" "$2" "$D/checkpoint/firewall"
  else
    # Made first, so that it can be deleted whether it is there or not.
    load_firewall "$1" "$2"
  fi
}

# --- units ----------------------------------------------------------------------------------------------------------

# unit_states UNIT…: a line `UNIT ACTIVE FILE-STATE LOAD ID` each, `-` for nothing. ID is another name where UNIT is an
# alias. systemd answers in the order asked.
unit_states() {
  systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState -- "$@" >"$D/.units" || return 1
  exec 3<"$D/.units"
  for us_unit in "$@"; do
    us_load=- us_active=- us_file=- us_id=$us_unit
    while IFS='=' read -r key value; do
      case $key in
        Id) us_id=${value:-$us_unit} ;;
        LoadState) us_load=$value ;;
        ActiveState) us_active=$value ;;
        UnitFileState) us_file=${value:--} ;;
        '') break ;;
      esac
    done <&3
    printf '%s %s %s %s %s\n' "$us_unit" "$us_active" "$us_file" "$us_load" "$us_id"
  done
  exec 3<&-
}

# real_name UNIT: its own name in $real where UNIT is an alias, which systemd neither enables nor disables, and which goes
# along with what it stands for. What is so now in $un_active and $un_load; what is not loaded now, as it was before.
real_name() {
  real=$1 un_active=- un_load=-
  unit_states "$1" >"$D/.unit" || return 1
  read -r _ un_active _ un_load real <"$D/.unit"
  if [ "$un_load" != loaded ] && checkpointed units "$1"; then id_in "$value" "$1"; fi
}

# id_in `ACTIVE FILE-STATE LOAD ID` UNIT: the id in $real.
id_in() {
  case $1 in
    *' '*' '*' '*) real=${1##* } ;;
    *) real=$2 ;;
  esac
}

unit() { # ACTION UNIT [SECONDS]
  if [ -n "$SANDBOX" ]; then
    skip "unit $1 $2"
    return
  fi
  step "unit $1 $2"
  real_name "$2" || die "cannot ask systemd for \`$2\`: $(last_lines)"
  case $1 in
    enable) try systemctl --quiet enable -- "$real" ;;
    disable | stop) unit_down "$1" ;;
    *)
      unit_up "$1" "$3"
      started="$started $2"
      ;;
  esac
}
started=

# unit_down disable|stop: $real. One that is gone or masked is as it should be.
unit_down() {
  case $un_load:$un_active in
    not-found:inactive | not-found:failed | masked:inactive | masked:failed)
      printf 'as it should be: %s is %s\n' "$real" "$un_load"
      # Links that nothing stands behind any more.
      if [ "$1:$un_load" = disable:not-found ]; then systemctl --quiet disable -- "$real" >/dev/null 2>&1 || :; fi
      ;;
    masked:*) if [ "$1" = stop ]; then try systemctl stop -- "$real"; fi ;;
    *) try systemctl --quiet "$1" -- "$real" ;;
  esac
}

# systemctl_up ACTION UNIT SECONDS: systemd refuses to listen anew while the service of a socket runs.
systemctl_up() {
  su_service=${2%.socket}.service
  if [ "$1" = restart ] && [ "$su_service" != "$2.service" ] && systemctl --quiet is-active -- "$su_service"; then
    timeout "$3" systemctl stop -- "$2" "$su_service" && timeout "$3" systemctl start -- "$2" "$su_service"
  else
    timeout "$3" systemctl "$1" -- "$2"
  fi
}

# unit_up start|restart|reload SECONDS: $real.
unit_up() {
  up_action=$1
  if is_ssh_service; then ssh_action; fi
  case $up_action in
    nothing) return ;;
    reload) up_action=reload-or-restart ;;
    *)
      # A unit that failed often enough is not started again before this.
      systemctl reset-failed -- "$real" 2>/dev/null || :
      ;;
  esac
  up_since=$(date +%s)
  systemctl_up "$up_action" "$real" "$2" >"$D/.systemctl" 2>&1
  up_status=$?
  cat "$D/.systemctl"
  if [ "$up_status" -eq 0 ]; then return; fi
  unit_words "$real" "$up_since"
  # What systemd says of its own is the cause, unless it only says where to look.
  case $(head -n 1 "$D/.systemctl") in
    '' | 'Job for '*) ;;
    *) words=$(head -n 1 "$D/.systemctl") ;;
  esac
  if [ "$up_status" -eq 124 ]; then words="not done within $2 s${words:+; $words}"; fi
  keep_run_sshd
  die "\`$this\`: ${words:-ended with $up_status}"
}

# unit_words UNIT SINCE: what UNIT said since then, in one line in $words; where it said nothing, what systemd says of it.
# Not what others did in its control group: without pam_systemd, sessions live in the one of sshd.
unit_words() {
  journalctl --sync >/dev/null 2>&1 || :
  uw_unit=$1 uw_since=$2
  systemctl show -p ExecStartPre -p ExecStart -p ExecReload -- "$1" >"$D/.exec" || :
  uw_own="_SYSTEMD_UNIT=$uw_unit _TRANSPORT=stdout"
  uw_programs=$(sed -n 's/.*{ path=\([^ ;]*\) ;.*/\1/p' "$D/.exec")
  uw_pids=$(sed -n 's/.* ; pid=\([1-9][0-9]*\) ;.*/\1/p' "$D/.exec")
  for uw_program in $uw_programs; do
    uw_own="$uw_own + _SYSTEMD_UNIT=$uw_unit SYSLOG_IDENTIFIER=${uw_program##*/}"
  done
  # The journal cannot say any more to which unit a process belonged that died at once.
  for uw_pid in $uw_pids; do uw_own="$uw_own + _PID=$uw_pid"; done
  words=$(unit_lines $uw_own)
  if [ -z "$words" ]; then
    words=$(unit_lines _PID=1 UNIT="$uw_unit" + _SYSTEMD_UNIT="$uw_unit" UNIT="$uw_unit")
  fi
}

unit_lines() { # MATCH…
  journalctl --quiet --no-pager --output=cat --lines=20 --since="@$uw_since" "$@" 2>/dev/null |
    grep -v -e '^Start' -e '^Reloading ' -e 'Scheduled restart job' -e '^Stopped ' | uniq >"$D/.words"
  cat "$D/.words" >&2
  # shellcheck disable=SC2016 # `$` is sed's last line
  tail -n 4 "$D/.words" | sed '$!s/$/; /' | tr -d '\000-\037\177' | cut -c 1-600
}

# unit_release UNIT: before its files go: as far down as it was before deployctl first managed it.
unit_release() {
  if [ -n "$SANDBOX" ]; then
    skip "unit original $1"
    return
  fi
  if ! saved "$S/original/units" "$1"; then return; fi
  ur_was=$value
  case $ur_was in active' '* | activating' '* | reloading' '*) ;; *) unit stop "$1" ;; esac
  case $ur_was in *' enabled '*) ;; *)
    step "unit disable $1"
    real_name "$1" || die "cannot ask systemd for \`$1\`: $(last_lines)"
    systemctl --quiet disable -- "$real" || : ;;
  esac
}

# unit_original UNIT: after its files are back: as far up as it was. One that is gone or masked since stays so.
unit_original() {
  if [ -n "$SANDBOX" ] || ! saved "$S/original/units" "$1"; then return; fi
  uo_was=$value
  real_name "$1" || die "cannot ask systemd for \`$1\`: $(last_lines)"
  case $un_load in
    not-found | masked)
      printf 'stays as it is: %s is %s\n' "$1" "$un_load"
      return
      ;;
  esac
  case $uo_was in *' enabled '*) unit enable "$1" ;; esac
  case $uo_was in active' '*) unit restart "$1" 120 ;; esac
}

# unit_halt UNIT: first part of a rollback, while the new unit files are still there.
unit_halt() {
  if [ -n "$SANDBOX" ] || ! touched_unit "$1" || ! checkpointed units "$1"; then return; fi
  id_in "$value" "$1"
  case $value in
    active' '* | activating' '* | reloading' '*) ;;
    *)
      step "stop $1"
      if [ -n "$boot_mode" ]; then
        systemctl --no-block stop -- "$real" 2>/dev/null || :
      else
        systemctl stop -- "$real" || :
      fi
      ;;
  esac
  case $value in
    *' enabled '*) ;;
    *) if did "unit enable $1"; then systemctl --quiet disable -- "$real" || :; fi ;;
  esac
}

# unit_back UNIT SECONDS: last part of a rollback.
unit_back() {
  if [ -n "$SANDBOX" ] || ! checkpointed units "$1"; then return; fi
  if ! touched_unit "$1"; then return; fi
  ub_was=$value
  id_in "$value" "$1"
  case $ub_was in
    *' enabled '*)
      if did "unit disable $1"; then
        step "enable $1"
        systemctl --quiet enable -- "$real" || complain "unit \`$1\` is not enabled as it was"
      fi
      ;;
  esac
  if [ -n "$boot_mode" ]; then return; fi
  systemctl reset-failed -- "$real" 2>/dev/null || :
  case $ub_was in
    active' '* | activating' '* | reloading' '*)
      step "restart $1"
      if ! systemctl_up restart "$real" "$2"; then
        if could_start "$ub_was"; then
          complain "unit \`$1\` does not start as it did"
        else
          printf 'told: %s ran, and nothing could have started it again before this apply either\n' "$1"
        fi
      fi
      ;;
  esac
}

# could_start `ACTIVE FILE-STATE LOAD ID`: its unit file was there. One that was deleted under a unit that runs was not.
could_start() {
  case $1 in
    *' not-found '* | *' masked '* | *' bad-setting '* | *' error '*) return 1 ;;
  esac
}

touched_unit() {
  for tu_action in start stop restart reload enable disable; do
    if did "unit $tu_action $1"; then return 0; fi
  done
  return 1
}

# is_job UNIT: a timer or somebody started it in its own time, and this apply does not touch it.
is_job() {
  case $1 in *.service) ;; *) return 1 ;; esac
  if saved "$D/checkpoint/units" "$1"; then return 1; fi
  case $(systemctl show --property=Transient,TriggeredBy -- "$1") in
    *Transient=yes* | *TriggeredBy=*.timer*) return 0 ;;
  esac
  return 1
}

# units_settled: what was started is active, or ended well, and nothing failed that had not failed before.
units_settled() {
  if [ -n "$SANDBOX" ] || [ "$manager" != systemd ]; then return; fi
  if [ -n "$started" ]; then
    # A program that dies at once needs a moment to do so.
    us_since=$(($(date +%s) - 1))
    sleep 1
    step "look at the units"
    unit_states $started >"$D/.started" || die "cannot ask systemd for the state of units: $(last_lines)"
    while read -r su_unit su_active _ _ su_id; do
      case $su_active in
        failed | activating)
          unit_words "$su_id" "$us_since"
          keep_run_sshd
          die "\`$su_unit\` is $su_active after its start: $words"
          ;;
      esac
    done <"$D/.started"
  fi
  failed_now=$(systemctl list-units --state=failed --plain --no-legend --full | cut -d ' ' -f 1)
  for su_unit in $failed_now; do
    case $su_unit in deployctl-*) continue ;; esac
    if saved "$D/baseline" "$su_unit"; then continue; fi
    if is_job "$su_unit"; then
      printf 'the job %s failed in its own time: no rollback\n' "$su_unit"
      continue
    fi
    die "\`$su_unit\` failed, and had not failed before"
  done
}

verify_units() {
  if [ -n "$SANDBOX$boot_mode" ] || [ ! -s "$D/checkpoint/units" ]; then return; fi
  vu_units=
  while read -r vu_unit _ _ _ vu_id; do vu_units="$vu_units ${vu_id:-$vu_unit}"; done <"$D/checkpoint/units"
  unit_states $vu_units >"$D/.after" || {
    complain "cannot ask systemd for the state of units"
    return
  }
  exec 3<"$D/.after"
  while read -r vu_unit vu_was vu_was_file vu_load vu_id; do
    read -r _ vu_is vu_is_file _ <&3
    if ! could_start "$vu_was $vu_was_file $vu_load $vu_id"; then vu_was=$vu_is; fi
    case $vu_was:$vu_is in
      active:active | inactive:inactive | failed:* | inactive:failed | activating:* | reloading:* | deactivating:*) ;;
      active:*) complain "unit \`$vu_unit\` is $vu_is and was active" ;;
      *:active | *:activating) complain "unit \`$vu_unit\` is $vu_is and was $vu_was" ;;
    esac
    case $vu_was_file:$vu_is_file in
      enabled:enabled) ;;
      enabled:* | *:enabled) complain "unit \`$vu_unit\` is ${vu_is_file} and was ${vu_was_file}" ;;
    esac
  done <"$D/checkpoint/units"
  exec 3<&-
}

# --- the way in ---------------------------------------------------------------------------------------------------------

is_ssh_service() {
  case $real in
    ssh.service | sshd.service) ;;
    *) return 1 ;;
  esac
}

# ssh_action: what $up_action means for sshd, in $up_action. The state of $real is in $un_active.
ssh_action() {
  ssh_socket
  case $up_action:$un_active in
    reload:active)
      # Its port is systemd's, and it cannot take it over from itself: it would die of the signal.
      if [ -n "$ssh_socket" ]; then
        printf 'restart instead of reload: %s holds the port\n' "$ssh_socket"
        up_action=restart
      fi
      ;;
    reload:*)
      if [ -n "$ssh_socket" ]; then
        printf 'nothing to reload: %s starts sshd anew for who comes in\n' "$ssh_socket"
        up_action=nothing
      fi
      ;;
    *:active | *:reloading) ;;
    *) if [ -z "$ssh_socket" ]; then ssh_port_is_free; fi ;;
  esac
}

# The socket that starts sshd when somebody comes in, in $ssh_socket; nothing where none is active.
ssh_socket() {
  ssh_socket=
  for so_socket in ssh.socket sshd.socket; do
    if systemctl --quiet is-active -- "$so_socket"; then
      ssh_socket=$so_socket
      return
    fi
  done
}

# ssh_port_is_free: a start that meets another sshd on the port fails, and takes away the directory that the other needs.
ssh_port_is_free() {
  command -v ss >/dev/null || return 0
  sshd -T 2>/dev/null | sed -n 's/^listenaddress //p' >"$D/.listen"
  ss -Hltnp >"$D/.listening" 2>/dev/null || return 0
  while read -r sp_wanted; do
    while read -r _ _ _ sp_there _ sp_who; do
      if [ "${sp_wanted##*:}" != "${sp_there##*:}" ]; then continue; fi
      case ${sp_wanted%:*}/${sp_there%:*} in
        0.0.0.0/[[]* | [[]::]/[0-9]* | [0-9]*/[[]::] | [[]*/0.0.0.0) continue ;;
        0.0.0.0/* | [[]::]/* | */0.0.0.0 | */[[]::] | */[*]) ;;
        *) if [ "$sp_wanted" != "$sp_there" ]; then continue; fi ;;
      esac
      sp_pid=${sp_who#*pid=}
      sp_pid=${sp_pid%%[!0-9]*}
      sp_name=${sp_who#*\"}
      die "\`$this\`: port ${sp_wanted##*:} is served by process ${sp_pid:-unknown} (${sp_name%%\"*}), which is not of \`$real\`: a start would fail, and take \`/run/sshd\` from the one that serves; end that process on a console, then \`systemctl start $real\`"
    done <"$D/.listening"
  done <"$D/.listen"
}

# What sshd needs to let anybody in. systemd removes it with a unit that fails, though another sshd may serve.
checkpoint_run_sshd() {
  if [ -d /run/sshd ]; then : >"$D/checkpoint/run-sshd"; fi
}

keep_run_sshd() {
  if [ -n "$SANDBOX$boot_mode" ] || [ ! -e "$D/checkpoint/run-sshd" ] || [ -d /run/sshd ]; then return; fi
  mkdir -m 0755 /run/sshd || complain "\`/run/sshd\` is gone, and nobody can log in without it"
}

# --- network -------------------------------------------------------------------------------------------------------------
# What is told of a change follows from what was changed: `netplan` for files of netplan, `networkd` for its own, `any` for
# what else a module declares to be of the network.

network() { # netplan|networkd|any…
  follow network apply_network "$@"
}

apply_network() {
  for an_what in "$@"; do
    case $an_what in
      netplan) apply_netplan || return 1 ;;
      networkd) apply_networkd || return 1 ;;
      *)
        if command -v netplan >/dev/null && ls /etc/netplan/*.yaml >/dev/null 2>&1; then
          apply_netplan || return 1
        else
          apply_networkd || return 1
        fi
        ;;
    esac
  done
}

apply_netplan() {
  if ! command -v netplan >/dev/null; then
    printf 'netplan is not installed\n'
    return 1
  fi
  if udev_runs; then
    netplan apply
  else
    # A container without udev, which `netplan apply` would ask.
    netplan generate && apply_networkd
  fi
}

# Reloading also configures the links anew whose files have changed.
apply_networkd() {
  if ! systemctl --quiet is-active systemd-networkd.service; then
    printf 'systemd-networkd does not run\n'
    return 1
  fi
  networkctl reload
}

# network_readable netplan|networkd|any…: whether what is there now could be told to those who run the network.
network_readable() {
  for nr_what in "$@"; do
    case $nr_what in
      netplan) netplan_readable || return 1 ;;
      networkd) systemctl --quiet is-active systemd-networkd.service || return 1 ;;
    esac
  done
}

# Below a directory of its own, so that nothing is written for those who run.
netplan_readable() {
  command -v netplan >/dev/null || return 1
  rm -rf "$D/.netplan"
  mkdir -p "$D/.netplan" || return 1
  for ne_directory in etc/netplan usr/lib/netplan lib/netplan run/netplan; do
    if [ -d "./$ne_directory" ]; then
      mkdir -p "$D/.netplan/$ne_directory" && cp -a "./$ne_directory/." "$D/.netplan/$ne_directory/" || return 1
    fi
  done
  netplan generate --root-dir "$D/.netplan"
  ne_status=$?
  rm -rf "$D/.netplan"
  return "$ne_status"
}

addresses() {
  ip -o addr show scope global | while read -r _ ad_interface ad_family ad_address ad_rest; do
    case $ad_rest in *dynamic* | *temporary*) continue ;; esac
    printf '%s %s %s\n' "$ad_interface" "$ad_family" "$ad_address"
  done
}

mtus() {
  for mt_file in /sys/class/net/*/mtu; do
    read -r value <"$mt_file" || continue
    mt_interface=${mt_file%/mtu}
    printf '%s %s\n' "${mt_interface##*/}" "$value"
  done
}

network_back() { # netplan|networkd|any…
  if [ -n "$SANDBOX$boot_mode" ] || ! did network; then return; fi
  again network apply_network "$@"
  # What the restored files do not say, because it was set by hand, is set by hand.
  addresses >"$D/.addresses"
  while read -r nb_line; do
    if ! grep -qxF -e "$nb_line" "$D/checkpoint/addresses"; then
      set -- $nb_line
      ip addr del "$3" dev "$1" || :
    fi
  done <"$D/.addresses"
  while read -r nb_line; do
    if ! grep -qxF -e "$nb_line" "$D/.addresses"; then
      set -- $nb_line
      ip addr add "$3" dev "$1" 2>/dev/null || ip addr show dev "$1" | grep -qF " $3 " || complain "address \`$3\` of \`$1\` is gone"
    fi
  done <"$D/checkpoint/addresses"
  while read -r nb_interface nb_mtu; do
    line "/sys/class/net/$nb_interface/mtu"
    if [ -n "$line" ] && [ "$line" != "$nb_mtu" ]; then
      ip link set dev "$nb_interface" mtu "$nb_mtu" || complain "the MTU of \`$nb_interface\` is $line and was $nb_mtu"
    fi
  done <"$D/checkpoint/mtus"
}


# --- packages: forward only --------------------------------------------------------------------------------------------

apt() {
  waiting env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none \
    apt-get -q -o DPkg::Lock::Timeout=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 --allow-change-held-packages "$@"
}

# waiting COMMAND…: again and again as long as others hold a lock of apt or of dpkg, of whatever it is: apt itself only
# waits for two of them. Fails as the command does.
lock_seconds=300
waiting() {
  clock
  wa_end=$((now + lock_seconds)) wa_told=
  while :; do
    rm -f "$D/.done"
    { if "$@" </dev/null; then : >"$D/.done"; fi; } 2>&1 | tee "$D/.apt" | no_lock_lines
    if [ -e "$D/.done" ]; then return 0; fi
    if ! grep -q "$lock_lines" "$D/.apt"; then return 1; fi
    clock
    if [ "$now" -ge "$wa_end" ]; then
      grep "$lock_lines" "$D/.apt"
      printf 'waited %s s for it\n' "$lock_seconds"
      return 1
    fi
    lock_holder
    if [ "$lock_holder" != "$wa_told" ]; then
      wa_told=$lock_holder
      printf 'waits for %s\n' "$lock_holder" >>"$D/log"
    fi
    sleep 1
  done
}

lock_lines='Could not get lock \|[Uu]nable to \(lock\|acquire\) \|locked by another process\|unable to access the dpkg database'
no_lock_lines() { grep --line-buffered -v -e "$lock_lines" -e '^Waiting for cache lock' || :; }

# lock_holder: in $lock_holder, who holds the lock that $D/.apt complains of.
lock_holder() {
  lh_pid=$(sed -n -e 's/.*held by process \([0-9]*\).*/\1/p' -e 's/.*process with pid \([0-9]*\).*/\1/p' "$D/.apt" | head -n 1)
  line "/proc/${lh_pid:-none}/comm"
  lock_holder="apt's lock, held by process ${lh_pid:-unknown}${line:+ ($line)}"
}

# invalid CODE TEXT: ends the validation (always in a subshell).
invalid() {
  printf 'refused: %s\n' "$2"
  printf '%s %s\n' "$1" "$2" >"$D/why"
  exit 1
}

# packages_may_go NAME…: what is declared to be replaced by what gets installed.
may_go=
packages_may_go() {
  may_go=" $* "
}

# packages_simulate NAME[=VERSION]…: on the merged tree, so with the staged pins and sources.
packages_simulate() {
  if [ -n "$SANDBOX" ]; then
    skip "simulate $*"
    return
  fi
  step "simulate packages $*"
  if ! simulate "$@"; then
    # The package lists may be older than the pin.
    apt update || cannot "\`apt-get update\` failed"
    simulate "$@" || simulation_failed
  fi
  ps_removed=
  for ps_name in $(removals); do
    case $may_go in
      *" $ps_name "*) ;;
      *) ps_removed="$ps_removed$ps_name " ;;
    esac
  done
  if [ -n "$ps_removed" ]; then
    invalid packages "apt would remove \`${ps_removed% }\`; only what a package is declared to replace may go"
  fi
  ps_downgraded=$(apt_list DOWNGRADED)
  if [ -n "$ps_downgraded" ]; then
    invalid packages "apt would downgrade \`${ps_downgraded% }\`; packages only go forward"
  fi
  for ps_held in $(apt_list 'held packages will be changed'); do
    case " $* " in
      *" $ps_held "* | *" $ps_held="*) ;;
      *) invalid packages "apt would change \`$ps_held\`, which is held and not declared" ;;
    esac
  done
}

# The names of what the simulation would remove.
removals() {
  sed -n 's/^Remv \([^ ]*\).*/\1/p' "$D/apt"
}

simulate() {
  apt -s install -- "$@" >"$D/apt" 2>&1
  si_status=$?
  cat "$D/apt"
  return "$si_status"
}

# apt_list WORDS: the names below the heading with WORDS in the simulation.
apt_list() {
  sed -n "/^The following .*$1/,/^[^ ]/{/^ /p;}" "$D/apt" | tr -s ' \n' ' ' | sed 's/^ //'
}

simulation_failed() {
  sf_text=
  while read -r _ _ sf_version _ sf_name _; do
    sf_version=${sf_version#?} sf_version=${sf_version%?}
    sf_name=${sf_name#?} sf_name=${sf_name%?}
    sf_text="$sf_text, superseded pin: \`$sf_name\` is to be $sf_version, and the archive offers $(apt_candidate "$sf_name")"
  done <<LINES
$(grep "^E: Version '.*' for '.*' was not found" "$D/apt")
LINES
  case $sf_text in
    *"is to be ,"* | '') ;;
    *) invalid packages "${sf_text#, }" ;;
  esac
  invalid packages "apt cannot do it: $(grep -e '^E: ' -e 'Depends: ' -e 'Conflicts: ' -e 'Breaks: ' "$D/apt" | tr -s '\n\t ' ' ' | sed 's/^ //;s/ $//' | cut -c 1-400)"
}

apt_candidate() {
  ac_candidate=$(apt-cache policy -- "$1" | sed -n 's/^  Candidate: //p')
  ac_others=$(apt-cache madison -- "$1" | cut -d '|' -f 2 | tr -d ' ' | sort -u | head -n 5 | tr '\n' ' ')
  printf '%s' "${ac_others:-${ac_candidate:-none}}" | sed 's/ $//'
}

packages_download() {
  if [ -n "$SANDBOX" ]; then return; fi
  step "download packages"
  apt -y --download-only install -- "$@" || cannot "cannot download packages"
}

# cannot WHAT: refuses with the cause that apt gave.
cannot() {
  if grep -q "$lock_lines" "$D/.apt"; then
    lock_holder
    invalid packages "$1: waited $lock_seconds s for $lock_holder; try again when it is done"
  fi
  if grep -q 'dpkg was interrupted' "$D/.apt"; then
    invalid packages "dpkg was interrupted on this host before$(unfinished_packages): run \`dpkg --configure -a\` there first"
  fi
  invalid packages "$1: $(last_lines)"
}

packages_install() {
  if [ -n "$SANDBOX" ]; then
    skip "install $*"
    return
  fi
  step "install packages $*"
  # Services start when their configuration is there: by us.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    : >"$D/policy-rc.d"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
  fi
  apt-mark showhold >"$D/held"
  if [ -n "$may_go" ]; then apt -y install -- "$@"; else apt -y --no-remove install -- "$@"; fi
  pi_status=$?
  # An upgrade takes a package's hold away; whether it is held is not the upgrade's to say.
  if [ -s "$D/held" ]; then waiting xargs -a "$D/held" apt-mark hold -- >/dev/null; fi
  release_services
  if [ "$pi_status" -ne 0 ]; then
    die "packages: $(last_lines 7)$(unfinished_packages)"
  fi
}

release_services() {
  if [ -e "$D/policy-rc.d" ]; then rm -f /usr/sbin/policy-rc.d "$D/policy-rc.d"; fi
}

# Packages that dpkg has begun and not finished.
unfinished_packages() {
  up_names=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' |
    sed -n -e 's/^half-configured //p' -e 's/^half-installed //p' -e 's/^unpacked //p' -e 's/^triggers-[a-z]* //p' | tr '\n' ' ')
  if [ -n "$up_names" ]; then printf '%s' " (unfinished: \`${up_names% }\`)"; fi
}

package_hold() {
  if [ -n "$SANDBOX" ]; then
    skip "hold $*"
    return
  fi
  step "hold packages $*"
  lock_seconds=60
  try waiting apt-mark hold -- "$@"
}

package_unhold() {
  if [ -n "$SANDBOX" ]; then
    skip "unhold $*"
    return
  fi
  step "unhold packages $*"
  lock_seconds=60
  # What was held before deployctl came is not ours to let go.
  pu_ours=
  for pu_name in "$@"; do
    if saved "$S/original/holds" "$pu_name" && [ "$value" = held ]; then
      printf 'stays held, as it was before: %s\n' "$pu_name"
    else
      pu_ours="$pu_ours $pu_name"
    fi
  done
  if [ -n "$pu_ours" ]; then try waiting apt-mark unhold -- $pu_ours; fi
}

checkpoint_holds() { # NAME…: those that will be held
  if [ -n "$SANDBOX" ]; then return; fi
  ch_held=" $(apt-mark showhold | tr '\n' ' ')"
  for ch_name in "$@"; do
    case $ch_held in
      *" $ch_name "*) printf '%s held\n' "$ch_name" ;;
      *) printf '%s free\n' "$ch_name" ;;
    esac
  done >>"$D/checkpoint/holds" || die "cannot save which packages are held"
}

# packages_back NAME…: what was installed stays; it is said, and whether dpkg could finish it.
packages_back() {
  if [ -n "$SANDBOX" ]; then return; fi
  release_services
  case $journal in *'install packages '*) ;; *) return ;; esac
  pb_unfinished=$(unfinished_packages)
  printf 'packages kept: %s%s\n' "$*" "$pb_unfinished"
  printf '%s\n' "${pb_unfinished:+$pb_unfinished: run \`dpkg --configure -a\`}" >"$D/packages-kept"
}

hold_back() {
  if [ -n "$SANDBOX" ] || ! did "hold packages $*"; then return; fi
  hb_ours=
  for hb_name in "$@"; do
    if ! checkpointed holds "$hb_name" || [ "$value" = free ]; then hb_ours="$hb_ours $hb_name"; fi
  done
  if [ -z "$hb_ours" ]; then return; fi
  lock_seconds=60
  waiting apt-mark unhold -- $hb_ours || complain "packages \`${hb_ours# }\` are still held"
}

unhold_back() {
  if [ -n "$SANDBOX" ] || ! did "unhold packages $*"; then return; fi
  lock_seconds=60
  waiting apt-mark hold -- "$@" || complain "packages \`$*\` are no longer held"
}


# --- validation: on the merged tree, in a mount namespace of our own ---------------------------------------------------

validate() {
  if [ "$manager" != systemd ]; then
    (. "$D/validate.sh")
  else
    unshare --mount --propagation private -- sh "$D/host.sh" start "$ID" --validate
  fi >>"$D/log" 2>&1 9>&-
}

merge_copy=    # set where an overlay cannot say it
merged() { # PATH: where it is prepared, in $merged; fails for what is outside /etc
  case $1 in /etc/*) ;; *) return 1 ;; esac
  merged=$D/merged/staged${1#/etc}
  if [ ! -d "${merged%/*}" ]; then
    umask 022
    mkdir -p -- "${merged%/*}"
    umask 077
  fi
}

merge_begin() {
  if [ -n "$SANDBOX" ]; then return; fi
  if ! mkdir -p "$D/merged" || ! mount -t tmpfs -o mode=0755 tmpfs "$D/merged"; then
    invalid validate "no mount namespace: $(last_lines)"
  fi
  mkdir "$D/merged/staged"
  chmod 0755 "$D/merged/staged"
  : >"$D/merged/gone"
}

merge() { # N PATH MODE OWNER GROUP
  if [ -n "$SANDBOX" ] || ! merged "$2"; then return; fi
  # The account may only come with this apply.
  install -T -m "$3" -o "$4" -g "$5" -- "$D/tree/$1/${2##*/}" "$merged" 2>/dev/null ||
    install -T -m "$3" -- "$D/tree/$1/${2##*/}" "$merged" || invalid validate "cannot stage \`$2\`: $(last_lines)"
}

merge_link() { # PATH TARGET
  if [ -n "$SANDBOX" ] || ! merged "$1"; then return; fi
  ln -sfn -- "$2" "$merged" || invalid validate "cannot stage \`$1\`: $(last_lines)"
}

merge_directory() { # PATH MODE
  if [ -n "$SANDBOX" ] || ! merged "$1"; then return; fi
  install -d -m "$2" -- "$merged" || invalid validate "cannot stage \`$1\`: $(last_lines)"
}

merge_remove() { # PATH
  if [ -n "$SANDBOX" ] || ! merged "$1"; then return; fi
  printf '%s\n' "$1" >>"$D/merged/gone"
  # What overlayfs takes for a hole.
  if [ -e ".$1" ] || [ -h ".$1" ]; then mknod "$merged" c 0 0 2>/dev/null || merge_copy=1; fi
}

merge_original() { # PATH
  if [ -n "$SANDBOX" ] || ! original_state "$1"; then return; fi
  case $state in
    [fl]' '*) if merged "$1"; then cp -a -T -- "$S/original/$or_generation/.$1" "$merged"; fi ;;
    a' '*) merge_remove "$1" ;;
  esac
}

merge_end() {
  if [ -n "$SANDBOX" ]; then return; fi
  if [ -z "$merge_copy" ] &&
    mount -t overlay -o "ro,lowerdir=$D/merged/staged:/etc" overlay /etc 2>/dev/null; then
    return
  fi
  # Where overlays do not work, a copy does.
  find "$D/merged/staged" -type c -delete
  if ! merge_by_copy; then invalid validate "cannot put the staged files over \`/etc\`: $(last_lines)"; fi
}

merge_by_copy() {
  cp -a -T /etc "$D/merged/whole" && cp -a --remove-destination "$D/merged/staged/." "$D/merged/whole/" || return 1
  while read -r me_gone; do rm -rf -- "$D/merged/whole${me_gone#/etc}"; done <"$D/merged/gone"
  mount --bind "$D/merged/whole" /etc && mount -o remount,bind,ro /etc
}

# packages_come: what a validator or a unit needs and is not there may come with a package of this apply.
packages_come=
packages_come() { packages_come=1; }

validator() { # COMMAND…
  if [ -n "$SANDBOX" ]; then
    skip "validate $*"
    return
  fi
  step "validate $*"
  if ! command -v "$1" >/dev/null; then
    later "skip: $1 is not installed yet" "$@"
    return
  fi
  va_made=
  case ${1##*/} in
    # sshd -t wants its directory, which only exists while sshd runs.
    sshd) if [ ! -d /run/sshd ] && mkdir -m 0755 /run/sshd; then va_made=1; fi ;;
    # netplan writes what it generates where the running system looks for it.
    netplan)
      for va_run in /run/systemd/network /run/systemd/system /run/udev/rules.d /run/NetworkManager; do
        if [ -d "$va_run" ]; then mount -t tmpfs -o mode=0755 tmpfs "$va_run"; fi
      done
      ;;
  esac
  quietly "$@"
  va_status=$?
  if [ -n "$va_made" ]; then rmdir /run/sshd; fi
  if [ "$va_status" -eq 0 ]; then return; fi
  if [ -n "$packages_come" ] && only_programs_missing; then
    later "skip: a program of it is not installed yet" "$@"
    return
  fi
  invalid validate "\`$*\` failed with $va_status: $(last_lines)"
}

# quietly COMMAND…: what it says is only worth reading when it fails.
quietly() {
  case ${1##*/} in
    systemd-analyze)
      if [ "$(systemd_version)" -lt 250 ]; then without_recursion "$@"; else "$@"; fi ;;
    *) "$@" ;;
  esac </dev/null >"$D/.validator" 2>&1
  qu_status=$?
  if [ "$qu_status" -ne 0 ]; then cat "$D/.validator"; fi
  return "$qu_status"
}

# systemd before 250 does not know --recursive-errors, and takes only the unit itself to be in error.
without_recursion() {
  for wr_word in "$@"; do
    shift
    case $wr_word in --recursive-errors=*) ;; *) set -- "$@" "$wr_word" ;; esac
  done
  "$@"
}

# only_programs_missing: all that the validator complained of are programs of units that are not there.
only_programs_missing() {
  grep -q 'is not executable: No such file or directory' "$D/.validator" &&
    ! grep -v -e 'is not executable: No such file or directory' -e '^Unit .* has a bad unit file setting' "$D/.validator" | grep -q .
}

# later WORD COMMAND…: tries it again when the packages are there, in the window: see `validate_again`.
later() {
  printf '%s\n' "$1"
  shift
  if [ -z "$packages_come" ]; then return; fi
  { printf '%s\n' "$#" "$@"; } >>"$D/later" || invalid validate "cannot write down what is to be validated later"
}

# validate_again: with the files and the packages in place, before any unit is started. netplan's own step reads its files.
validate_again() {
  if [ -n "$SANDBOX" ] || [ ! -s "$D/later" ]; then return; fi
  while read -r vl_count; do
    set --
    while [ "$vl_count" -gt 0 ]; do
      IFS= read -r vl_word
      set -- "$@" "$vl_word"
      vl_count=$((vl_count - 1))
    done
    step "validate $*"
    if [ "${1##*/}" != netplan ] && command -v "$1" >/dev/null; then
      quietly "$@" || die "\`$*\` failed: $(last_lines)"
    fi
  done <"$D/later"
}

# find_way: sets $user to the account that we came by over SSH, and $way to `FROM PORT TO PORT`; both stay empty where
# we did not. They stand in the environment of the processes above us, for sudo hands them to none below. Where one of
# those has ended and left us to another, our session's first process leads on.
find_way() {
  fw_pid=$$ fw_up=0 fw_session='' user='' way=''
  while [ "$fw_up" -lt 24 ]; do
    if [ "$fw_pid" -le 1 ]; then
      fw_pid=${fw_session:-0} fw_session=0
      if [ "$fw_pid" -le 1 ]; then break; fi
    fi
    fw_said=$({ tr '\0\n' '\n ' </proc/"$fw_pid"/environ; } 2>/dev/null) || :
    fw_said="
$fw_said
"
    case $fw_said in *"
SSH_CONNECTION="*)
      way=${fw_said#*"
SSH_CONNECTION="}
      way=${way%%"
"*}
      for fw_name in SUDO_USER LOGNAME USER; do
        case $fw_said in *"
$fw_name="*)
          user=${fw_said#*"
$fw_name="}
          user=${user%%"
"*}
          break
          ;;
        esac
      done
      break
      ;;
    esac
    { IFS= read -r fw_stat </proc/"$fw_pid"/stat; } 2>/dev/null || fw_stat='(gone) X 0 0 0'
    # shellcheck disable=SC2086 # words: state, parent, group, session
    set -- ${fw_stat##*) }
    fw_pid=$2 fw_session=${fw_session:-$4}
    fw_up=$((fw_up + 1))
  done
}

# --- validation: whether the account that we came by would still get in, and become root -----------------------------

# came_by: asks about the new files who we are, in $user, $from, $to and $port; fails where we did not come over SSH.
came_by() {
  if [ -n "$SANDBOX" ] || [ ! -d /proc/self ]; then return 1; fi
  find_way
  set -- $way
  from=${1-} to=${3-} port=${4-}
  [ -n "$user" ] && [ -n "$port" ]
}

# names_us PATTERN OTHERWISE: whether an entry of AllowUsers or DenyUsers is about us. What it says of networks is not
# worked out: then OTHERWISE is the answer.
# shellcheck disable=SC2254 # patterns they are
names_us() {
  case $user in ${1%@*}) ;; *) return 1 ;; esac
  case $1 in
    *@*/*) [ "$2" = yes ] ;;
    *@*) case $from in ${1##*@}) ;; *) return 1 ;; esac ;;
  esac
}

# way_in_sshd: what sshd makes of the merged files for a login like ours.
way_in_sshd() {
  ws_sshd=$(command -v sshd || command -v /usr/sbin/sshd) || return 0
  came_by || return 0
  step "ask sshd about $user"
  ws_made=
  if [ ! -d /run/sshd ] && mkdir -m 0755 /run/sshd; then ws_made=1; fi
  ws_said=$("$ws_sshd" -T -C "user=$user,host=$from,addr=$from,laddr=$to,lport=$port" </dev/null)
  ws_status=$?
  if [ -n "$ws_made" ]; then rmdir /run/sshd; fi
  if [ "$ws_status" -ne 0 ]; then invalid validate "\`sshd -T\` failed with $ws_status: $(last_lines)"; fi
  ws_against='' ws_listed='' ws_named=''
  set -f
  while read -r ws_key ws_rest; do
    case $ws_key:$ws_rest in
      pubkeyauthentication:no | authorizedkeysfile:none) ws_against="$ws_key $ws_rest" ;;
      permitrootlogin:no | permitrootlogin:forced-commands-only)
        if [ "$user" = root ]; then ws_against="$ws_key $ws_rest"; fi
        ;;
      authenticationmethods:*)
        case " $ws_rest " in *' any '* | *' publickey '*) ;; *) ws_against="$ws_key $ws_rest" ;; esac
        ;;
      allowusers:*)
        ws_listed="$ws_listed $ws_rest"
        for ws_entry in $ws_rest; do if names_us "$ws_entry" yes; then ws_named=1; fi; done
        ;;
      denyusers:*)
        for ws_entry in $ws_rest; do if names_us "$ws_entry" no; then ws_against="$ws_key $ws_entry"; fi; done
        ;;
    esac
  done <<SAID
$ws_said
SAID
  set +f
  if [ -n "$ws_listed" ] && [ -z "$ws_named" ]; then ws_against="allowusers$ws_listed"; fi
  if [ -n "$ws_against" ]; then
    invalid validate "sshd would no longer let \`$user\` in from $from: \`sshd -T -C user=$user,addr=$from\` says \`$ws_against\`"
  fi
}

# way_in_sudo: what sudo makes of the merged files for us. Without a password is tried, with one cannot be.
way_in_sudo() {
  if ! came_by || [ "$user" = root ]; then return 0; fi
  if ! command -v sudo >/dev/null || ! command -v setpriv >/dev/null; then return 0; fi
  step "ask sudo about $user"
  wu_group=$(id -g -- "$user") || return 0
  if setpriv --reuid="$user" --regid="$wu_group" --init-groups -- sudo -k -n -- true </dev/null; then return 0; fi
  # It holds for root's own questions, too, so the files are asked.
  if grep -Eqs "^[[:space:]]*Defaults(:$user)?[[:space:]](.*[[:space:],])?requiretty" /etc/sudoers /etc/sudoers.d/*; then
    invalid validate "sudo would want a terminal of \`$user\` (\`Defaults requiretty\`), and an apply has none"
  fi
  if ! sudo -n -l -U "$user" -- /bin/sh </dev/null >/dev/null; then
    invalid validate "sudo would no longer let \`$user\` become root: \`sudo -l -U $user /bin/sh\` says no"
  fi
  # `operator L 2026-11-26 …`: locked, so there is no password to give.
  wu_state=$(passwd -S -- "$user" 2>/dev/null)
  case $wu_state in
    "$user L "* | "$user LK "*)
      invalid validate "sudo would ask \`$user\` for a password, and the account has none"
      ;;
  esac
}

# boot_default: the system that the boot loader starts, in $sys_boot; nothing where its files do not tell.
boot_default() {
  sys_boot=
  for bd_directory in "$ROOT/boot" "$ROOT/efi" "$ROOT/boot/efi"; do
    if [ -r "$bd_directory/loader/loader.conf" ]; then
      bd_entry=$(sed -n 's/^default[[:blank:]]*//p' "$bd_directory/loader/loader.conf" | head -n 1)
      # A pattern means the newest of its entries.
      case $bd_entry in
        *'*'*)
          # shellcheck disable=SC2086 # it is a pattern
          bd_entry=$(cd "$bd_directory/loader/entries" && printf '%s\n' $bd_entry | grep -v -e '-specialisation-' | sort -V | tail -n 1)
          ;;
      esac
      bd_file=$bd_directory/loader/entries/$bd_entry
    else
      bd_file=$bd_directory/grub/grub.cfg
      grep -q '^[[:blank:]]*set default="\{0,1\}0"\{0,1\}[[:blank:]]*$' "$bd_file" 2>/dev/null || continue
    fi
    if [ -f "$bd_file" ]; then
      sys_boot=$(sed -n 's/.*init=\(\/nix\/store\/[^/ ]*\)\/init.*/\1/p' "$bd_file" | head -n 1)
      return
    fi
  done
}

# --- systems that Nix built ------------------------------------------------------------------------------------------------
# A system is activated by a program of its own: `bin/switch-to-configuration` (nixos), `activate` (darwin). Until the
# commit it only runs; what the next boot starts does not move. PATH is a store path, and KIND one of the two words.

nix_state=$ROOT/nix/var/nix
system_profile=$nix_state/profiles/system
roots=$nix_state/gcroots/deployctl
profile_seconds=120 # for moving the profile
boot_seconds=300    # for writing the boot loader's files
back_seconds=900    # for switching back
undo_seconds=120    # for what an activation left to be undone

# A sandbox switches nothing, unless what lies in its store are stand-ins.
switches() { case $SANDBOX in '' | stand-ins) ;; *) return 1 ;; esac }

# what_runs: $sys_current, $sys_link (what the profile says), $sys_profile (where that leads), $sys_boot.
what_runs() {
  sys_current=$(readlink "$ROOT/run/current-system" 2>/dev/null) || sys_current=
  sys_link=$(readlink "$system_profile" 2>/dev/null) || sys_link=
  case $sys_link in
    '' | /nix/store/*) sys_profile=$sys_link ;;
    /*) sys_profile=$(readlink "$ROOT$sys_link") || sys_profile= ;;
    *) sys_profile=$(readlink "${system_profile%/*}/$sys_link") || sys_profile= ;;
  esac
  boot_default
}

# root NAME PATH: keeps PATH from the garbage collector.
root() {
  mkdir -p "$roots" && ln -sfn -- "$2" "$roots/$1.new" && replace "$roots/$1.new" "$roots/$1"
}

# replace FROM TO: renames over a link, also where the tools are not GNU's.
replace() { if mv --version >/dev/null 2>&1; then mv -fT -- "$1" "$2"; else mv -fh -- "$1" "$2"; fi; }

activator() { # PATH KIND: in $activator
  case $2 in
    nixos) activator=$ROOT$1/bin/switch-to-configuration ;;
    *) activator=$ROOT$1/activate ;;
  esac
}

# activate_system PATH KIND ACTION [SECONDS]: its exit status in $activated. Its output goes to the log, never into a
# pipe, so nothing that reads along can end it. It decides by itself whether the boot loader is installed anew.
activate_system() {
  activator "$1" "$2"
  set -- "$3" ${4:+"$4"}
  case $activator in */activate) as_action= ;; *) as_action=$1 ;; esac
  if [ $# -gt 1 ]; then
    timeout -k 10 "$2" "$activator" $as_action </dev/null
  else
    "$activator" $as_action </dev/null
  fi
  activated=$?
}

# What the step that runs has printed.
step_output() {
  # shellcheck disable=SC2016 # `$` is sed's last line
  tail -c 262144 "$D/log" | sed -n -e '/^==> /{s/.*//;h;d;}' -e 'H;${x;p;}'
}

# It is the first thing that a switch says, before it touches anything. Later on, any activation script may say so.
lock_held() {
  case $activated in 0 | 2 | 4 | 100) return 1 ;; esac
  step_output | sed -e 1d -e '/^$/d' | head -n 1 | grep -q -i '^\(error: \)\{0,1\}could not acquire lock'
}

# new_failures [UNIT…]: in $failures, units that the switch calls failed; those of the baseline only where they are named
# here. Fails where it calls none failed.
new_failures() {
  failures=
  nf_all=$(step_output | sed -n 's/^warning: the following units failed: //p' | tr ',\n' '  ')
  set -f
  for nf_unit in $nf_all; do
    case " $* " in *" $nf_unit "*) ;; *) if saved "$D/baseline" "$nf_unit"; then continue; fi ;; esac
    failures="$failures, \`$nf_unit\`"
  done
  set +f
  failures=${failures#, }
  [ -n "$nf_all" ]
}

# what_it_means KIND: exit status $activated in words, in $means. KIND may be `boot` for that action of nixos.
what_it_means() {
  if [ "$1" != darwin ] && lock_held; then
    means="another switch is at work on this host: it holds \`/run/nixos/switch-to-configuration.lock\`"
    return
  fi
  case $1:$activated in
    *:124 | *:137) means="it did not come to an end and was stopped" ;;
    nixos:1) means="it was refused before the switch, or could not go on" ;;
    nixos:2) means="its activation script failed" ;;
    nixos:4) means="units failed" ;;
    nixos:100) means="the init that runs is incompatible with it, so nothing was switched: the host has to be rebooted into it" ;;
    darwin:2) means="its activation wants to be run by root" ;;
    boot:*) means="writing the boot loader's files ended with $activated" ;;
    *) means="its activation ended with $activated" ;;
  esac
  # An incompatible init says all of it already.
  wm_words=$(last_lines)
  if [ "$activated" -ne 100 ] && [ -n "$wm_words" ]; then means="$means: $wm_words"; fi
}

# closure_valid PATH KIND: it is there, all of it, and as it was built.
closure_valid() {
  if ! switches; then
    skip "look at $1"
    return
  fi
  step "closure valid $1"
  if ! nix-store --check-validity "$1"; then
    invalid validate "\`$1\` is not in this host's store: $(last_lines)"
  fi
  activator "$1" "$2"
  if [ ! -x "$activator" ]; then invalid validate "\`$1\` is no system: it has no \`${activator#"$ROOT$1/"}\`"; fi
  what_runs
  nix-store --query --requisites "$1" | sort >"$D/.new-paths"
  [ -s "$D/.new-paths" ] || invalid validate "cannot list what \`$1\` needs: $(last_lines)"
  : >"$D/.old-paths"
  if [ -n "$sys_current" ]; then nix-store --query --requisites "$sys_current" 2>/dev/null | sort >"$D/.old-paths"; fi
  comm -23 "$D/.new-paths" "$D/.old-paths" >"$D/.come-paths"
  if [ -s "$D/.come-paths" ] && ! xargs nix-store --verify-path <"$D/.come-paths"; then
    invalid validate "this host's store is damaged: $(last_lines); \`nix-store --repair-path\` may mend it"
  fi
}

# checkpoint_closure KIND: what runs, and what the next boot starts.
checkpoint_closure() {
  if ! switches; then return; fi
  step "checkpoint system"
  rm -f "$S/undo"
  what_runs
  [ -n "$sys_current" ] || die "no system of Nix runs here (\`/run/current-system\` leads nowhere), so there is none to go back to"
  activator "$sys_current" "$1"
  [ -x "$activator" ] || die "\`$sys_current\` runs here and cannot be gone back to: it has no \`${activator#"$ROOT$sys_current/"}\`"
  printf 'current %s\nprofile %s\nlink %s\nboot %s\n' "$sys_current" "$sys_profile" "$sys_link" "$sys_boot" \
    >"$D/checkpoint/system" || die "cannot save which system runs"
  for ch_link in "$system_profile"-*-link; do
    printf 'had %s\n' "${ch_link##*/}" >>"$D/checkpoint/generations" || die "cannot save which generations the profile has"
  done
  root previous "$sys_current" || die "cannot keep \`$sys_current\` from the garbage collector: $(last_lines)"
}

# closure_test PATH KIND [UNIT…]: runs it. UNITs count as failed even if they had failed before: they are started anew.
closure_test() {
  if ! switches; then
    skip "switch to $1"
    return
  fi
  step "closure test $1"
  ct_path=$1 ct_kind=$2
  shift 2
  activate_system "$ct_path" "$ct_kind" test
  if [ "$activated" -ne 0 ]; then
    what_it_means "$ct_kind"
    case $ct_kind:$activated:$means in
      nixos:100:* | nixos:*:'another switch'*) step "closure untouched" ;;
      nixos:4:*)
        if new_failures "$@"; then
          if [ -n "$failures" ]; then die "units failed: $failures"; fi
          printf 'kept: only units failed that had failed before\n'
          means=
        fi
        ;;
    esac
    [ -z "$means" ] || die "\`$ct_path\`: $means"
  fi
  what_runs
  [ "$sys_current" = "$ct_path" ] || die "\`$ct_path\` said that it runs, and \`/run/current-system\` leads to \`$sys_current\`"
}

# closure_commit PATH KIND: from here the host boots it. Done while it can still be rolled back; what is left for after
# the commit is to let go of what is no longer needed.
closure_commit() {
  if [ "$phase" = committed ]; then
    if switches; then forget_roots "$1" && rm -f "$S/undo"; fi
    return
  fi
  if ! switches; then
    skip "boot $1"
    return
  fi
  # A recovery in the meantime takes `activated` for the truth, unless nobody works on it any more.
  : >"$D/committing"
  clock
  set_deadline "$((now + profile_seconds + boot_seconds + 60))" || die "cannot put the dead man off"
  step "closure profile $1"
  flush "$D/journal"
  try timeout -k 10 "$profile_seconds" nix-env -p "$system_profile" --set "$1"
  flush "${system_profile%/*}"
  what_runs
  [ "$sys_profile" = "$1" ] || die "the system profile leads to \`$sys_profile\` after it was set"
  if [ "$2" = nixos ]; then
    cc_known=$sys_boot
    step "closure boot $1"
    # Boot loaders sync their own file system: after a power cut the rollback has to know of it.
    flush "$D/journal"
    activate_system "$1" "$2" boot "$boot_seconds"
    if [ "$activated" -ne 0 ]; then
      what_it_means boot
      die "cannot make \`$1\` the one to boot: $means"
    fi
    what_runs
    if [ -n "$cc_known" ] && [ -n "$sys_boot" ] && [ "$sys_boot" != "$1" ]; then die "the boot loader starts \`$sys_boot\` after \`$1\` was installed in it"; fi
  fi
  root "generation-$next" "$1" || die "cannot keep \`$1\` from the garbage collector: $(last_lines)"
}

# Systems of the last few generations are kept, so that going back needs no copying.
forget_roots() { # PATH
  root "generation-$next" "$1"
  rm -f "$roots/pending"
  for fr_root in "$roots"/generation-*; do
    fr_number=${fr_root##*-}
    case $fr_number in *[!0-9]*) continue ;; esac
    if [ "$fr_number" -le "$((next - 5))" ]; then rm -f "$fr_root"; fi
  done
}

# closure_back PATH KIND: the system from before, first what the next boot starts, then what runs; and a look at all of it.
closure_back() {
  if ! switches || [ ! -r "$D/checkpoint/system" ]; then return; fi
  checkpointed system current && was_current=$value
  checkpointed system profile && was_profile=$value
  checkpointed system link && was_link=$value
  checkpointed system boot && was_boot=$value
  what_runs
  profile_back "$1"
  if [ "$2" = nixos ]; then boot_back "$1"; fi
  keep_undo
  running_back "$1" "$2"
  # What that wrote down is how the new system had it.
  rm -f "$S/undo"
  live_back
  what_runs
  [ "$sys_current" = "$was_current" ] || complain "\`$sys_current\` runs, and \`$was_current\` did"
  [ "$sys_link" = "$was_link" ] || complain "the system profile says \`$sys_link\` and said \`$was_link\`"
  [ "$sys_profile" = "$was_profile" ] || complain "the system profile leads to \`$sys_profile\` and led to \`$was_profile\`"
  if [ -n "$was_boot" ] && [ "$sys_boot" != "$was_boot" ]; then complain "the boot loader starts \`$sys_boot\` and started \`$was_boot\`"; fi
  rm -f "$roots/generation-$((m_base + 1))"
}

profile_back() { # PATH
  if [ "$sys_link" != "$was_link" ]; then
    step "closure profile back"
    if [ -z "$was_link" ]; then
      rm -f "$system_profile"
    else
      ln -sfn -- "$was_link" "$system_profile.deployctl" && replace "$system_profile.deployctl" "$system_profile"
    fi || complain "the system profile: $(last_lines)"
    flush "${system_profile%/*}"
  fi
  # The generation that the commit made would stay in the boot menu, and some boot loaders start the newest.
  if ! did "closure profile $1"; then return; fi
  for pb_link in "$system_profile"-*-link; do
    if grep -qxF "had ${pb_link##*/}" "$D/checkpoint/generations"; then continue; fi
    if [ "$(readlink "$pb_link")" = "$1" ]; then rm -f "$pb_link"; fi
  done
}

boot_back() { # PATH
  bb_system=${was_boot:-${was_profile:-$was_current}}
  if ! did "closure boot $1" && { [ -z "$was_boot" ] || [ "$sys_boot" = "$was_boot" ]; }; then return; fi
  step "closure boot back"
  switch_back "$bb_system" nixos boot "$boot_seconds" ||
    complain "the boot loader may still start \`$1\`: \`$bb_system\`: $means"
}

running_back() { # PATH KIND
  if [ "$sys_current" = "$was_current" ]; then
    if ! did "closure test $1" || did "closure untouched"; then return; fi
    # Until the commit a boot starts the old system. That of macOS keeps more of the new one than files in /run.
    if [ "$2" = nixos ] && ! same_boot; then return; fi
  fi
  step "closure back"
  switch_back "$was_current" "$2" test "$back_seconds" && {
    forget_failures
    return
  }
  case $2:$activated in
    nixos:4)
      if new_failures && [ -z "$failures" ]; then
        forget_failures
        return
      fi
      means="units failed, and had not failed before: ${failures:-$(last_lines)}"
      ;;
    nixos:100) means="it has another init than the one that runs; the host boots it by default, so a reboot brings it back" ;;
  esac
  complain "\`$was_current\`: $means"
}

# forget_failures: of units that went with the system that had them.
forget_failures() {
  if [ "$manager" != systemd ]; then return; fi
  systemctl list-units --state=failed --plain --no-legend --full | while read -r ff_unit ff_load _; do
    if [ "$ff_load" = not-found ] && ! saved "$D/baseline" "$ff_unit"; then systemctl reset-failed -- "$ff_unit"; fi
  done
}

# keep_undo: what the new system wrote down, once, however often the rollback is begun.
keep_undo() {
  if [ -e "$D/undo" ]; then return; fi
  : >>"$S/undo"
  flush "$S/undo"
  mv -f "$S/undo" "$D/undo" || complain "what the activation had set: $(last_lines)"
}

# An activation writes down in `undo` how to set back what the system from before may know nothing of: on a Mac, addresses
# and power management.
live_back() {
  if [ ! -s "$D/undo" ]; then return; fi
  step "live back"
  if timeout -k 10 "$undo_seconds" sh "$D/undo" </dev/null; then
    : >"$D/undo"
  else
    complain "what its activation had set is not all as it was: $(last_lines)"
  fi
}

# switch_back PATH KIND ACTION SECONDS: another switch may be at its end.
switch_back() {
  sb_left=5
  while :; do
    activate_system "$@"
    if [ "$activated" -eq 0 ]; then return 0; fi
    if [ "$3" = boot ]; then what_it_means boot; else what_it_means "$2"; fi
    case $means in 'another switch'*) ;; *) return 1 ;; esac
    sb_left=$((sb_left - 1))
    if [ "$sb_left" -eq 0 ]; then return 1; fi
    sleep 1
    step "closure back, once more"
  done
}

# --- the dead man ----------------------------------------------------------------------------------------------------------

# The service manager starts what must outlive the call, and wakes the dead man. In a sandbox there is none: everything
# runs in the call itself. One with stand-ins for the programs of a system may have a stand-in for launchd, too.
manager=
choose_manager() {
  case $SANDBOX in
    '') manager=systemd ;;
    stand-ins) ;;
    *) return ;;
  esac
  if [ -d "$ROOT/System/Library/LaunchDaemons" ]; then manager=launchd; fi
}

launch() { "${manager}_launch"; }                  # the activation, on its own
running() { [ -n "$manager" ] && "${manager}_running"; }
start_timer() { "${manager}_timer" "$1"; }         # SECONDS: calls `recover` then
timer_active() { "${manager}_timer_active"; }
boot_unit() { "${manager}_boot"; }                 # a boot calls `recover --boot`

going_down() { [ "$manager" = systemd ] && [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; }

disarm() {
  rm -f "$D/deadline"
  if [ -n "$manager" ]; then "${manager}_disarm"; fi
}

arm() {
  clock
  printf '%s\n' "$((now + m_cap))" >"$D/limit"
  set_deadline "$((now + m_allow))" || refuse arm "cannot write the deadline"
  if [ -z "$manager" ]; then
    skip "dead man in $m_allow s" >>"$D/log"
    return
  fi
  if [ -z "$SANDBOX" ]; then
    find "$D" "$S/lease" "$S/host.sh" ! -type l -exec sync {} + 2>>"$D/log" || refuse arm "cannot sync the checkpoint: $(last_lines)"
    sync "$S" "$S/applies"
  fi
  boot_unit >>"$D/log" 2>&1 || refuse arm "cannot install the boot unit: $(last_lines)"
  start_timer "$m_allow" >>"$D/log" 2>&1 || refuse arm "cannot start the dead man: $(last_lines)"
}

# --- the service manager is systemd ---------------------------------------------------------------------------------------

# Not bound to the connection that called us. When it is killed, what it began is put back at once. SIGKILL, since the
# stop may take as long as a rollback, and nothing may go on meanwhile.
systemd_launch() {
  systemd-run --quiet --collect --unit="deployctl-apply-$ID" --property=Type=exec --property=KillSignal=SIGKILL \
    --property=TimeoutStopSec=1800 \
    --property="ExecStopPost=/bin/sh -c '[ \"\$\$SERVICE_RESULT\" = success ] || exec /bin/sh $S/host.sh recover $ID'" \
    --description="deployctl apply $ID" /bin/sh "$D/host.sh" run "$ID" 9>&-
}

systemd_running() { systemctl --quiet is-active "deployctl-apply-$ID.service"; }

systemd_stop() { systemctl --quiet stop "deployctl-apply-$ID.service" 2>/dev/null || :; }

systemd_timer() { # SECONDS
  line "$D/timer"
  sr_old=$line
  sr_number=${sr_old##*.}
  sr_last=$((${sr_number:-0} + 4))
  sr_number=${sr_number:-0}
  # The dead man and the activation may both set it anew, so a number may be taken.
  while :; do
    sr_number=$((sr_number + 1))
    sr_new=deployctl-deadman-$ID.$sr_number
    systemd-run --quiet --collect --on-active="$(($1 + 1))" --timer-property=AccuracySec=1s --unit="$sr_new" \
      --description="deployctl dead man of apply $ID" /bin/sh "$S/host.sh" recover "$ID" 9>&- && break
    [ "$sr_number" -lt "$sr_last" ] || return 1
  done
  timer_waits "$sr_new" || return 1
  { printf '%s\n' "$sr_new" >"$D/timer.new" && mv -f "$D/timer.new" "$D/timer"; } || return 1
  if [ -n "$sr_old" ]; then systemctl --quiet stop "$sr_old.timer" 2>/dev/null || :; fi
}

# A timer whose service runs is `active`, too, and will never elapse again: only one that waits is a dead man.
timer_waits() { # NAME
  [ "$(systemctl show -p SubState --value "$1.timer" 2>/dev/null)" = waiting ]
}

systemd_timer_active() {
  line "$D/timer"
  [ -n "$line" ] && timer_waits "$line"
}

systemd_disarm() {
  line "$D/timer"
  if [ -n "$line" ]; then systemctl --quiet stop "$line.timer" 2>/dev/null || :; fi
}

# A boot while an apply is open undoes it before anything that it configured starts. Not so for a system of NixOS: until
# the commit a reboot starts the one from before, and its /etc/systemd/system cannot be written.
systemd_boot() {
  if [ -n "$m_kind" ]; then return; fi
  bu_file=/etc/systemd/system/deployctl-recover.service
  bu_text="[Unit]
Description=deployctl: put back an apply that was not confirmed
ConditionPathExists=$S/lease
DefaultDependencies=no
RequiresMountsFor=$S /usr
After=systemd-remount-fs.service
Before=sysinit.target systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-sysusers.service systemd-tmpfiles-setup.service nftables.service nftables-deployctl.service network-pre.target systemd-networkd.service
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh $S/host.sh recover --boot
SuccessExitStatus=5 9

[Install]
WantedBy=sysinit.target"
  if [ "$(cat $bu_file 2>/dev/null)" != "$bu_text" ]; then
    printf '%s\n' "$bu_text" >$bu_file.new
    chmod 0644 $bu_file.new
    flush $bu_file.new
    mv -f $bu_file.new $bu_file
    systemctl daemon-reload || return 1
  fi
  if [ ! -h /etc/systemd/system/sysinit.target.wants/deployctl-recover.service ]; then
    systemctl --quiet enable deployctl-recover.service || return 1
    flush /etc/systemd/system /etc/systemd/system/sysinit.target.wants
  fi
}

# The boot unit of a system of NixOS comes too early to switch it, and the switch may stop that unit. Where this is
# under way already, or the system wants its unit while another switch is at work, nothing is lost.
systemd_recover() {
  if systemctl --quiet is-active "deployctl-recover-$ID.service"; then return; fi
  systemd-run --quiet --collect --no-block --unit="deployctl-recover-$ID" --property=After=multi-user.target \
    --description="deployctl: put back apply $ID" /bin/sh "$S/host.sh" recover "$ID" 2>>"$D/log" 9>&-
}

# --- the service manager is launchd ---------------------------------------------------------------------------------------
# One daemon per apply that looks every few seconds whether the deadline is behind. It starts with the host, too, so it is
# both dead man and boot recovery. What runs in a job cannot boot that job out before it has nothing left to do.

launchd_every=10 # seconds

launchd_label() { label=org.deployctl.$1.$ID; }

# launchd_plist FILE SECONDS ARGUMENT…: for the job $label; 0 seconds: once.
launchd_plist() {
  lp_file=$1 lp_every=$2
  shift 2
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    printf '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n<dict>\n'
    printf '<key>Label</key><string>%s</string>\n<key>ProgramArguments</key>\n<array>\n' "$label"
    printf '<string>%s</string>\n' "$@"
    printf '</array>\n<key>RunAtLoad</key><true/>\n<key>ProcessType</key><string>Interactive</string>\n'
    if [ "$lp_every" -eq 0 ]; then
      printf '<key>LaunchOnlyOnce</key><true/>\n<key>ExitTimeOut</key><integer>1</integer>\n'
    else
      printf '<key>StartInterval</key><integer>%s</integer>\n' "$lp_every"
    fi
    printf '</dict>\n</plist>\n'
  } >"$lp_file"
}

launchd_loaded() { launchctl print "system/$label" >/dev/null 2>&1; }

launchd_launch() {
  launchd_label apply
  launchd_plist "$D/apply.plist" 0 /bin/sh "$D/host.sh" run "$ID" && launchctl bootstrap system "$D/apply.plist" 9>&-
}

launchd_running() {
  launchd_label apply
  # One that launchd is about to start works already.
  la_state=$(launchctl print "system/$label" 2>/dev/null | sed -n 's/^[[:blank:]]*state = //p' | head -n 1)
  case $la_state in '' | 'not running' | exited | waiting) return 1 ;; esac
}

launchd_stop() {
  launchd_label apply
  launchctl bootout "system/$label" 2>/dev/null
  la_left=60
  while launchd_loaded && [ "$la_left" -gt 0 ]; do
    sleep 1
    la_left=$((la_left - 1))
  done
}

# launchd_timer SECONDS: the daemon reads the deadline by itself.
launchd_timer() {
  launchd_label recover
  la_file=$ROOT/Library/LaunchDaemons/$label.plist
  launchd_plist "$la_file.new" "$launchd_every" /bin/sh "$S/host.sh" recover "$ID" || return 1
  flush "$la_file.new"
  mv -f "$la_file.new" "$la_file" || return 1
  flush "${la_file%/*}"
  launchd_loaded || launchctl bootstrap system "$la_file" 9>&-
}

launchd_timer_active() {
  launchd_label recover
  [ -f "$ROOT/Library/LaunchDaemons/$label.plist" ] && launchd_loaded
}

# The daemon does that.
launchd_boot() { :; }

launchd_disarm() {
  launchd_label recover
  rm -f "$ROOT/Library/LaunchDaemons/$label.plist"
  launchd_bootout
  launchd_label apply
  launchd_bootout
}

launchd_bootout() {
  if [ "${XPC_SERVICE_NAME-}" = "$label" ]; then
    last_act=$label
  elif launchd_loaded; then
    launchctl bootout "system/$label" 2>/dev/null || :
  fi
}

# --- start: nothing is changed before the dead man is armed ------------------------------------------------------------

refuse() { # CODE TEXT
  rm -f "$D/ballast"
  printf '%s %s\n' "$1" "$2" | tr -d '\000-\011\013-\037\177' >"$D/failure"
  set_phase refused
  disarm
  release_lease
  answer 9
}

start() { # [--steal | --validate]
  read_meta
  if [ "${1-}" = --validate ]; then
    . "$D/validate.sh"
    exit 0
  fi
  lock_work 0 || answer 1
  phase
  [ "$phase" = staged ] || answer 1
  : >>"$D/log"
  : >"$D/journal"
  boot_id
  printf '%s\n' "$boot" >"$D/boot"
  check_layout
  take_lease "${1-}"
  check_generation
  check_stale
  check_space
  rm -f "$D/why" "$D/later"
  validate || {
    line "$D/why"
    refuse "${line%% *}" "${line#* }"
  }
  set_phase validated
  rm -rf "$D/checkpoint"
  mkdir "$D/checkpoint" "$D/checkpoint/tree"
  (. "$D/checkpoint.sh") >>"$D/log" 2>&1 9>&- || {
    line "$D/why"
    refuse checkpoint "${line:-$(last_lines)}"
  }
  set_phase checkpointed
  reserve
  arm
  set_phase armed || refuse space "cannot write down that the dead man is armed"
  if [ -z "$manager" ]; then
    activate
    case $phase in
      activated) answer 0 ;;
      rolled-back) answer 5 ;;
      *) answer 6 ;;
    esac
  fi
  launch >>"$D/log" 2>&1 || refuse arm "cannot start the activation: $(last_lines)"
  unlock_work
  answer 0
}

check_layout() {
  if [ -n "$SANDBOX" ]; then
    while read -r cl_path; do
      if [ -h ".$cl_path" ]; then refuse layout "\`$cl_path\` is a symbolic link, which may lead out of the sandbox"; fi
    done <"$D/parents"
    return
  fi
  case $manager in
    launchd) cl_tools='launchctl sysctl' ;;
    *) cl_tools='systemctl systemd-run flock unshare sha256sum stat install' ;;
  esac
  if [ -n "$m_kind" ]; then cl_tools="$cl_tools nix-env nix-store readlink timeout comm xargs"; fi
  for cl_tool in $cl_tools; do
    command -v "$cl_tool" >/dev/null || refuse layout "\`$cl_tool\` is not installed"
  done
  if [ "$manager" = systemd ] && [ ! -d /run/systemd/system ]; then refuse layout "systemd does not run this host"; fi
  chmod 0700 "$S"
  cl_list="$S"
  while read -r cl_path; do cl_list="$cl_list $cl_path"; done <"$D/parents"
  stat -L -c '%u %g %a %F|%n' -- $cl_list >"$D/.parents" 2>/dev/null
  while read -r cl_user cl_group cl_mode cl_rest; do
    cl_path=${cl_rest#*|}
    case $cl_rest in
      directory*) ;;
      *)
        # What only has to go from there is gone already.
        if grep -qxF -e "$cl_path" "$D/leaving"; then continue; fi
        refuse layout "\`$cl_path\` is not a directory"
        ;;
    esac
    if [ "$cl_user" != 0 ]; then refuse layout "\`$cl_path\` is not owned by root, so what lies in it cannot be managed"; fi
    case $cl_mode in
      *[2367]) refuse layout "\`$cl_path\` is writable by everybody, so what lies in it cannot be managed" ;;
      *[2367]?) if [ "$cl_group" != 0 ]; then refuse layout "\`$cl_path\` is writable by its group, so what lies in it cannot be managed"; fi ;;
    esac
  done <"$D/.parents"
}

take_lease() { # [--steal]
  exec 8>>"$S/lock"
  lock 8 30 || refuse lock "another call of deployctl is busy on this host"
  if read_lease && [ "$lease_apply" != "$ID" ]; then
    (settle_other "${1-}") 8>&- 9>&- || {
      line "$D/why"
      refuse lock "$line"
    }
  fi
  printf 'apply %s\nholder %s\n' "$ID" "$m_holder" >"$S/lease.new" || refuse space "cannot write the lease"
  mv -f "$S/lease.new" "$S/lease" || refuse space "cannot write the lease"
  if ! cmp -s "$D/host.sh" "$S/host.sh"; then
    cp "$D/host.sh" "$S/host.sh.new"
    flush "$S/host.sh.new"
    mv -f "$S/host.sh.new" "$S/host.sh"
  fi
  exec 8>&-
  forget_applies
}

# settle_other [--steal]: the apply that has the lease is over, or gets over, or is named as being in the way.
settle_other() {
  so_mine=$D
  find_apply "$lease_apply" || exit 0
  if [ -n "$1" ]; then
    sh "$D/host.sh" rollback "$ID" --stolen >/dev/null 2>&1
  else
    sh "$D/host.sh" recover "$ID" >/dev/null 2>&1
  fi
  find_apply "$ID" || exit 0
  read_meta
  phase
  case $phase in committed | rolled-back | refused) exit 0 ;; esac
  so_text="apply \`$ID\` of \`$m_holder\` holds this host: $phase"
  if [ "$phase" = rollback-failed ]; then
    so_text="$so_text; try again with \`sh $S/host.sh rollback\`, or take the host as it is with \`sh $S/host.sh rollback --abandon\`"
  elif time_left; then
    so_text="$so_text, $left s left"
  fi
  printf '%s\n' "$so_text" >"$so_mine/why"
  exit 1
}

# Only the last few refused and rolled back applies are kept.
forget_applies() {
  fa_list=
  fa_count=0
  for fa_directory in "$S"/applies/*; do
    if [ "$fa_directory" = "$D" ]; then continue; fi
    line "$fa_directory/phase"
    case $line in refused | rolled-back) ;; *) continue ;; esac
    fa_list="$fa_list ${fa_directory##*/}"
    fa_count=$((fa_count + 1))
  done
  for fa_id in $fa_list; do
    if [ "$fa_count" -le 5 ]; then return; fi
    rm -rf "$S/applies/$fa_id"
    fa_count=$((fa_count - 1))
  done
}

# check_generation: what the host says of itself is what lies there, or a commit would meet a generation of its number.
check_generation() {
  generation
  cg_known=$?
  newest_generation
  if [ "$newest" -eq 0 ] && [ "$cg_known" -ne 0 ] && [ ! -s "$S/generation" ]; then return; fi
  if [ "$cg_known" -ne 0 ] || [ "$generation" -lt "$newest" ]; then
    if [ "$cg_known" -eq 0 ]; then
      cg_says="says $generation"
    elif [ -e "$S/generation" ]; then
      cg_says='says no number'
    else
      cg_says='is missing'
    fi
    refuse layout "\`/var/lib/deployctl/generation\` $cg_says, and the newest generation of this host is $newest; if that is what runs here, write it there: \`echo $newest >/var/lib/deployctl/generation\`"
  fi
}

check_stale() {
  if [ "$generation" != "$m_base" ]; then
    refuse stale "the plan starts from generation $m_base, and the host is at generation $generation"
  fi
  if [ -n "$m_boot" ] && [ "$m_boot" != "$boot" ]; then
    refuse stale "the host has booted since the plan was made"
  fi
  if [ -n "$m_system" ] && switches; then
    what_runs
    if [ "$sys_current" != "$m_system" ]; then
      refuse stale "another system runs since the plan was made: \`/run/current-system\` leads to \`$sys_current\`"
    fi
  fi
  states "$D/touched" >"$D/found" 2>>"$D/log" || refuse stale "cannot read the paths that would change: $(last_lines)"
  differing "$D/before" "$D/found"
  if [ -n "$differing" ]; then
    set -- $differing
    refuse stale "\`$1\` has changed since the plan was made$(if [ $# -gt 1 ]; then printf ', and %s more' "$(($# - 1))"; fi)"
  fi
}

# reserve: room for the rollback, whatever fills the disk meanwhile. Random, since some file systems compress.
reserve() {
  re_kib=$(du -sk "$D/checkpoint" 2>/dev/null) || re_kib=0
  re_kib=${re_kib%%[!0-9]*}
  head -c "$(((${re_kib:-0} + 256) * 1024))" /dev/urandom >"$D/ballast" 2>>"$D/log" ||
    refuse space "no room is left to put this apply back"
}

check_space() {
  df -Pk "$S" "${ROOT:-/}" >"$D/.space" 2>>"$D/log" || return
  while read -r _ _ _ cs_free _ cs_mount; do
    case $cs_free in *[!0-9]*) continue ;; esac
    if [ "$cs_free" -lt "$m_need" ]; then
      refuse space "\`$cs_mount\` has $cs_free KiB free, and the apply needs $m_need KiB"
    fi
  done <"$D/.space"
}

# --- run ---------------------------------------------------------------------------------------------------------------------

run() {
  lock_work 30 || answer 1
  read_meta
  phase
  [ "$phase" = armed ] || answer 1
  if ! same_boot || ! timer_active; then
    printf 'refused: the dead man is not armed\n' >>"$D/log"
    answer 1
  fi
  activate
  # Whatever the outcome, it is in the phase; a failed unit of ours would only be noise.
  answer 0
}

activate() {
  rm -f "$D/why" "$D/failure"
  keep_phase activating || {
    roll_back space "cannot write down that it begins"
    return
  }
  (
    . "$D/apply.sh"
    settle
    units_settled
  ) >>"$D/log" 2>&1 </dev/null 9>&-
  ac_status=$?
  line "$D/why"
  if [ "$ac_status" -eq 0 ]; then
    clock
    time_left || left=0
    # The first timer may have elapsed meanwhile.
    if [ "$left" -gt "$m_window" ] || [ "$left" -lt "$((m_window - 10))" ] || { [ -n "$manager" ] && ! timer_active; }; then
      set_deadline "$((now + m_window))"
      if [ -n "$manager" ]; then
        start_timer "$m_window" >>"$D/log" 2>&1 || {
          roll_back arm "the dead man could not be set anew: $(last_lines)"
          return
        }
      fi
    fi
    keep_phase activated || roll_back space "cannot write down that it is activated"
  else
    roll_back step "${line:-\`$(tail -n 1 "$D/journal")\`: ended with $ac_status: $(last_lines)}"
  fi
}

# --- confirm -------------------------------------------------------------------------------------------------------------------

confirm() {
  IFS= read -r cf_given || :
  read_meta
  phase
  generation
  if [ "$phase" = committed ] && [ "$generation" -gt "$m_base" ]; then answer 0; fi
  lock_work 30 || answer 1
  phase
  case $phase in
    committed) ;;
    activated)
      line "$D/nonce"
      if [ -z "$line" ] || [ "$line" != "$cf_given" ]; then answer 1; fi
      if ! same_boot; then
        roll_back interrupted "the host has booted since it was activated"
      elif ! time_left || [ "$left" -le 0 ]; then
        roll_back deadline "confirmed too late"
      elif ! prepare_commit; then
        undo_prepare
        line "$D/why"
        roll_back "${line%% *}" "${line#* }"
      elif ! keep_phase committed; then
        undo_prepare
        roll_back space "the commit cannot be written"
      fi
      ;;
  esac
  case $phase in
    committed) finish_commit || answer 1 ;;
    rolled-back) answer 5 ;;
    rollback-failed) answer 6 ;;
    refused) answer 9 ;;
    *) answer 1 ;;
  esac
  answer 0
}

# prepare_commit: writes all that the commit needs, while it can still be rolled back. Fails with the reason in `why`.
prepare_commit() {
  next=$((m_base + 1))
  rm -f "$D/why"
  if [ -e "$S/generations/$next" ] || [ -h "$S/generations/$next" ]; then
    { printf 'layout there is a generation %s already, which this is not\n' "$next" >"$D/why"; } 2>/dev/null
    return 1
  fi
  # What a commit left that was cut off before it was one.
  rm -rf "$S/original/$next"
  (
    . "$D/commit.sh"
    originals && mkdir -p "$S/generations" && keep "$D/id" "$ID"
  ) >>"$D/log" 2>&1 9>&- && return 0
  # Room for the reason. The rollback would do that anyway.
  rm -f "$D/ballast"
  line "$D/why"
  if [ -n "$line" ]; then
    { printf 'step %s\n' "$line" >"$D/why"; } 2>/dev/null
    return 1
  fi
  { printf 'space the records of the commit cannot be written: %s\n' "$(last_lines)" >"$D/why"; } 2>/dev/null
  return 1
}

undo_prepare() {
  rm -rf "$S/original/$next" "$S"/original/*.new "$D/id"
}

# finish_commit: what follows from phase `committed`; again as often as it is cut off.
finish_commit() {
  next=$((m_base + 1))
  case $D in
    "$S"/applies/*)
      rm -f "$D/ballast"
      if [ -e "$S/generations/$next" ] || [ -h "$S/generations/$next" ]; then
        printf 'there is a generation %s already, which this is not\n' "$next" >>"$D/log"
        return 1
      fi
      (
        . "$D/commit.sh"
        originals && keep_originals && keep "$D/id" "$ID" && mkdir -p "$S/generations"
      ) >>"$D/log" 2>&1 9>&- || return 1
      rm -f "$D/nonce" "$D"/.[a-z]* "$D/now" "$D/found" "$D/committing"
      # The dead man may have blamed it in vain.
      rm -f "$D/failure"
      replace "$D" "$S/generations/$next" 2>>"$D/log" || return 1
      D=$S/generations/$next
      flush "$S/generations" "$S/applies"
      ;;
  esac
  generation
  if [ "$generation" -lt "$next" ]; then keep "$S/generation" "$next" || return 1; fi
  disarm
  release_lease
}

# --- roll back -------------------------------------------------------------------------------------------------------------------

# end_run: stops what works on the apply, children included. A unit that stops already calls `recover` at its end, and
# that must not wait for the end of its own unit.
end_run() {
  if running; then "${manager}_stop"; fi
}

# blame CODE TEXT: the first reason stays.
blame() {
  line "$D/failure"
  if [ -z "$line" ]; then keep "$D/failure" "$(printf '%s %s' "$1" "$2" | tr -d '\000-\037\177')"; fi
}

# roll_back CODE TEXT: under the work lock.
roll_back() {
  # Room first; and whatever can or cannot be written from here on, nobody can confirm this any more.
  rm -f "$D/ballast" "$D/nonce"
  blame "$1" "$2"
  keep_phase rolling-back || rm -f "$D/deadline"
  : >"$D/left"
  journal=$(cat "$D/journal")
  (
    rolling=1
    printf '==> roll back\n'
    sweep
    sweep_accounts
    compare_paths
    . "$D/rollback.sh"
    if [ -e "$D/reboot-required" ]; then rm -f /run/reboot-required "$D/reboot-required"; fi
    keep_run_sshd
    verify_paths
    verify_units
    [ -z "$complained" ] || exit 3
  ) >>"$D/log" 2>&1 </dev/null 9>&-
  rb_status=$?
  if [ "$rb_status" -ne 0 ] && [ "$rb_status" -ne 3 ]; then
    complain "the rollback was cut off: $(last_lines)" >>"$D/log" 2>&1
  elif [ "$rb_status" -eq 3 ] && [ ! -s "$D/left" ]; then
    complain "more than could be written down, see the log" >>"$D/log" 2>&1
  fi
  line "$D/failure"
  if [ -e "$D/packages-kept" ]; then
    rb_failure=$line
    line "$D/packages-kept"
    case $rb_failure in *'; packages kept'*) ;; *) rb_failure="$rb_failure; packages kept$line" ;; esac
    line=$rb_failure
    keep "$D/failure" "$line"
  fi
  if [ "$rb_status" -ne 0 ] || [ -s "$D/left" ]; then
    line=${line#rollback }
    rb_left=
    while IFS= read -r rb_line; do rb_left="$rb_left, $rb_line"; done <"$D/left"
    keep "$D/failure" "rollback ${line%; left: *}; left: $(printf '%s' "${rb_left#, }" | cut -c 1-900)"
    # Where that cannot be written, the dead man stays and tries it all again.
    if keep_phase rollback-failed; then disarm; fi
    phase=rollback-failed
  elif ! keep_phase rolled-back; then
    phase=rollback-failed
  else
    disarm
    release_lease
    printf '==> rolled back and verified\n' >>"$D/log"
  fi
}

answer_rolled_back() {
  case $phase in
    rolled-back) answer 5 ;;
    rollback-failed) answer 6 ;;
    refused) answer 9 ;;
    committed) answer 0 ;;
    *) answer 1 ;;
  esac
}

rollback() { # [--stolen | --abandon | --reason CODE TEXT]
  rb_code=requested rb_text='a rollback was requested'
  case ${1-} in
    '') ;;
    --stolen) rb_code=stolen rb_text="another apply was started with \`--steal\`" ;;
    --abandon) abandon ;;
    --reason)
      [ $# -eq 3 ] || usage
      case $2 in '' | *[!a-z-]*) usage ;; esac
      rb_code=$2 rb_text=$(one_line "$3")
      ;;
    *) usage ;;
  esac
  read_meta
  phase
  case $phase in
    committed) answer 1 ;;
    refused | rolled-back) answer_rolled_back ;;
  esac
  blame "$rb_code" "$rb_text"
  end_run
  lock_work 60 || answer 1
  phase
  case $phase in
    committed)
      rm -f "$D/failure"
      answer 1
      ;;
    refused | rolled-back) answer_rolled_back ;;
    staged | validated | checkpointed) refuse "$rb_code" "$rb_text" ;;
  esac
  roll_back "$rb_code" "$rb_text"
  answer_rolled_back
}

# one_line TEXT: what others wrote, so that it can stand in the status frame.
one_line() {
  printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177' | cut -c 1-1200
}

# abandon: a person has looked at what a rollback left, and takes the host as it is. Ends the program.
abandon() {
  read_meta
  lock_work 60 || answer 1
  phase
  case $phase in
    rollback-failed) ;;
    refused | rolled-back) answer_rolled_back ;;
    *) answer 1 ;;
  esac
  line "$D/failure"
  keep "$D/failure" "abandoned the host was taken as it is, with what the rollback could not put back: ${line#rollback }" || answer 1
  keep_phase rolled-back || answer 1
  rm -f "$D/ballast" "$D/nonce"
  disarm
  release_lease
  printf '==> abandoned: the host is taken as it is\n' >>"$D/log"
  answer_rolled_back
}

# recover: what the apply needs by itself. Called by the dead man, at boot, and by the next apply.
recover() {
  read_meta
  phase
  if [ -n "$boot_mode" ] && [ -n "$m_kind" ] && [ "$manager" = systemd ]; then
    systemd_recover || answer 1
    answer 0
  fi
  case $phase in
    rollback-failed) answer 6 ;;
    rolled-back | refused)
      disarm
      release_lease
      answer_rolled_back
      ;;
    armed | activating | activated)
      if same_boot && time_left && [ "$left" -gt 0 ]; then
        # In time: so it is left alone, unless nobody is at work who should be.
        if { [ "$phase" = activated ] && [ ! -e "$D/committing" ]; } || ! idle; then
          if [ -z "$manager" ] || timer_active || start_timer "$left" || timer_active; then answer 0; fi
          # A host that goes down starts nothing any more.
          if going_down; then blame interrupted "the host went down before it was confirmed"; fi
          blame arm "the dead man could not be set anew"
          end_run
        fi
      elif same_boot; then
        blame deadline "nobody confirmed in time"
        end_run
      fi
      ;;
    *) idle || answer 0 ;;
  esac
  lock_work 60 || {
    # Somebody is at it. Should that come to nothing, there is another call of this.
    if [ -n "$manager" ] && ! timer_active; then start_timer 60; fi
    answer 1
  }
  phase
  case $phase in
    committed)
      # Confirmed while this was about to blame it for being late.
      rm -f "$D/failure"
      finish_commit || answer 1
      answer 0
      ;;
    rolled-back | refused | rollback-failed) answer_rolled_back ;;
    staged | validated | checkpointed) refuse interrupted "the start was cut off; nothing was changed" ;;
  esac
  if ! same_boot; then
    roll_back interrupted "the host has booted before it was confirmed"
  elif time_left && [ "$left" -gt 0 ]; then
    roll_back interrupted "the activation was killed"
  else
    roll_back deadline "nobody confirmed in time"
  fi
  answer_rolled_back
}

# Nobody works on the apply.
idle() {
  lock_work 0 || return 1
  unlock_work
  ! running
}

# --- main --------------------------------------------------------------------------------------------------------------------------

usage() {
  printf 'usage: host.sh start ID [--steal] | run ID | status [ID [OFFSET]] [--extend SECONDS] | confirm ID | rollback [ID] [--reason CODE TEXT | --abandon] | recover ID|--boot\n' >&2
  exit 2
}

is_number() {
  case $1 in '' | *[!0-9]* | ??????????????*) return 1 ;; esac
}

status() {
  st_offset=0 st_extend=
  if [ $# -gt 0 ] && is_number "$1"; then
    st_offset=$1
    shift
  fi
  if [ "${1-}" = --extend ]; then
    is_number "${2-}" || usage
    st_extend=$2
    shift 2
  fi
  [ $# -eq 0 ] || usage
  read_meta
  phase
  # On Ubuntu a boot unit does that; a system of Nix has it only from the module that declares it.
  case $phase in
    armed | activating | activated | rolling-back)
      if [ -n "$m_kind" ] && ! same_boot; then
        (
          trap '' HUP PIPE
          recover
        ) >/dev/null 2>&1
        find_apply "$ID"
        phase
      fi
      ;;
  esac
  case $phase in
    armed | activating | activated)
      if [ -n "$st_extend" ] && same_boot && time_left && [ "$left" -gt 0 ]; then extend "$((now + st_extend))"; fi
      ;;
  esac
  frame "$st_offset"
  exit 0
}

main() {
  choose_manager
  if [ -n "$SANDBOX" ]; then
    if [ -z "$ROOT" ] || [ "$ROOT" = / ]; then
      printf 'a sandbox needs DEPLOYCTL_ROOT\n' >&2
      exit 2
    fi
  else
    # A host of NixOS has its tools in the system. The ones of macOS are not GNU's, so there the system's come first.
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    main_nix=$roots/pending/sw/bin:/run/current-system/sw/bin:$roots/previous/sw/bin:/nix/var/nix/profiles/default/bin
    if [ "$manager" = launchd ]; then PATH=$main_nix:$PATH; else PATH=$PATH:$main_nix; fi
    export PATH
    if [ -n "$ROOT" ] || [ "$(id -u)" != 0 ]; then
      printf 'host.sh needs root\n' >&2
      exit 2
    fi
  fi
  cd "${ROOT:-/}" || exit 2
  [ $# -gt 0 ] || usage
  verb=$1
  shift
  case $verb in start | run | status | confirm | rollback | recover) ;; *) usage ;; esac
  case $verb:${1-} in
    status: | status:--* | rollback: | rollback:--* | recover:--boot)
      # Without an id: the apply that has the lease; for status else the last one.
      if read_lease; then
        main_id=$lease_apply
      else
        line "$S/last"
        main_id=$line
        if [ "$verb" = rollback ]; then
          printf 'nothing is open, so there is nothing to roll back\n' >&2
          find_apply "$main_id" || D=
          answer 1
        fi
      fi
      if [ "${1-}" = --boot ]; then
        shift
        boot_mode=1
      fi
      if [ -z "$main_id" ] || ! find_apply "$main_id"; then
        D=
        frame 0
        exit 0
      fi
      ;;
    *)
      if ! find_apply "${1-}"; then
        D=
        answer 1
      fi
      shift
      ;;
  esac
  # A signal from a broken connection must not leave anything half done.
  if [ "$verb" != status ]; then trap '' HUP PIPE; fi
  # Each apply is worked on by the program it came with.
  if [ "$verb" != status ] && [ "$0" != "$D/host.sh" ] && [ -f "$D/host.sh" ]; then
    if [ -n "$boot_mode" ]; then set -- --boot-of; fi
    exec sh "$D/host.sh" "$verb" "$ID" "$@"
  fi
  if [ "${1-}" = --boot-of ]; then
    shift
    boot_mode=1
  fi
  "$verb" "$@"
}

main "$@"
exit
