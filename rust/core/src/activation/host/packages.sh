
# --- packages: forward only --------------------------------------------------------------------------------------------

# take_from_file NAME=VERSION FILE: the package is in that file, and not in an archive.
files_of_packages=' '
take_from_file() { files_of_packages="$files_of_packages$1 $2 "; }

# file_of WORD: in $file, the file that holds the package; else it fails.
file_of() {
  case $files_of_packages in
    *" $1 "*) ;;
    *) return 1 ;;
  esac
  file=${files_of_packages#*" $1 "}
  file=${file%% *}
}

# check_file_of NAME=VERSION: whether $file holds it.
check_file_of() {
  begin "read $file"
  # shellcheck disable=SC2016 # dpkg's own variables
  cf_is=$(dpkg-deb --show --showformat='${Package}=${Version}' "$file") || invalid packages "cannot read \`$file\`: $(last_lines)"
  if [ "$cf_is" != "$1" ]; then invalid packages "\`$file\` holds \`$cf_is\`, and not \`$1\`"; fi
}

# apt ARGUMENTS…: a package that is in a file is told as that file.
apt() {
  for ap_word; do
    shift
    if file_of "$ap_word"; then ap_word=$file; fi
    set -- "$@" "$ap_word"
  done
  waiting env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none \
    apt-get -q -o DPkg::Lock::Timeout=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 --allow-change-held-packages "$@"
}

# waiting COMMAND…: repeats the command while another process holds a lock of apt or dpkg; apt itself waits for only two of
# them. Fails as the command does.
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
  read_line "/proc/${lh_pid:-none}/comm"
  lock_holder="apt's lock, held by process ${lh_pid:-unknown}${line:+ ($line)}"
}

# invalid CODE TEXT: ends the validation (always in a subshell).
invalid() {
  printf 'refused: %s\n' "$2"
  printf '%s %s\n' "$1" "$2" >"$D/why"
  exit 1
}

# allow_removal_of NAME…: what is declared to be replaced by what gets installed.
may_go=
allow_removal_of() {
  may_go=" $* "
}

# simulate_packages NAME[=VERSION]…: on the merged tree, so with the staged pins and sources. Leaves in $reinstall what
# download_packages fetches again.
simulate_packages() {
  for ps_word; do
    if file_of "$ps_word"; then check_file_of "$ps_word"; fi
  done
  begin "simulate packages $*"
  ps_away=
  words_to_reinstall "$@"
  if ! simulate install -- "$@"; then
    # The package lists may be older than the pin.
    apt update || cannot "\`apt-get update\` failed"
    # Of an archive that is away apt only warns, and goes on without it.
    if grep -q '^Err:' "$D/.apt"; then ps_away="; \`apt-get update\`: $(apt_complaints)"; fi
    simulate install -- "$@" || simulation_failed
  fi
  judge_simulation "$@"
  if [ -n "$reinstall" ]; then
    simulate --reinstall install -- $reinstall || simulation_failed
    judge_simulation "$@" $reinstall
  fi
}

# judge_simulation NAME[=VERSION]…: whether only what is declared goes, and nothing back.
judge_simulation() {
  js_removed=
  for js_name in $(removals); do
    case $may_go in
      *" $js_name "*) ;;
      *) js_removed="$js_removed$js_name " ;;
    esac
  done
  if [ -n "$js_removed" ]; then
    invalid packages "apt would remove \`${js_removed% }\`; only what a package is declared to replace may go"
  fi
  js_downgraded=$(apt_list DOWNGRADED)
  if [ -n "$js_downgraded" ]; then
    invalid packages "apt would downgrade \`${js_downgraded% }\`; packages only go forward"
  fi
  for js_held in $(apt_list 'held packages will be changed'); do
    case " $* " in
      *" $js_held "* | *" $js_held="*) ;;
      *) invalid packages "apt would change \`$js_held\`, which is held and not declared" ;;
    esac
  done
}

# The names of what the simulation would remove.
removals() {
  sed -n 's/^Remv \([^ ]*\).*/\1/p' "$D/apt"
}

simulate() {
  apt -s "$@" >"$D/apt" 2>&1 && return
  cat "$D/apt"
  return 1
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
    *) invalid packages "${sf_text#, }$ps_away" ;;
  esac
  sf_half=
  for sf_word in $reinstall; do
    sf_name=${sf_word%%=*}
    if grep -qF -e " of '${sf_name%%:*}:" "$D/apt"; then sf_half="$sf_half; dpkg did not finish unpacking \`$sf_name\`"; fi
  done
  invalid packages "apt cannot do it: $(grep -e '^E: ' -e 'Depends: ' -e 'Conflicts: ' -e 'Breaks: ' "$D/apt" | tr -s '\n\t ' ' ' | sed 's/^ //;s/ $//' | cut -c 1-400)$sf_half$ps_away"
}

apt_candidate() {
  ac_candidate=$(apt-cache policy -- "$1" | sed -n 's/^  Candidate: //p')
  ac_others=$(apt-cache madison -- "$1" | cut -d '|' -f 2 | tr -d ' ' | sort -u | head -n 5 | tr '\n' ' ')
  printf '%s' "${ac_others:-${ac_candidate:-none}}" | sed 's/ $//'
}

download_packages() {
  begin "download packages"
  if [ -n "$reinstall" ]; then
    apt -y --download-only --reinstall install -- $reinstall || cannot "cannot download packages"
  fi
  apt -y --download-only install -- "$@" || cannot "cannot download packages"
}

# words_to_reinstall NAME[=VERSION]…: in $reinstall, the packages that dpkg did not finish unpacking: those of the words, which
# are in $reinstall_ours too, and others that keep dpkg from configuring any. apt believes that they are installed: it exits
# with 0 and does nothing, or has dpkg configure them, which dpkg refuses (seen with apt 2.2, 2.6 and 3.0). dpkg(1) calls it
# reinstreq. A package that dpkg is unpacking right now looks the same, so the end of that is waited for.
words_to_reinstall() {
  list_to_reinstall "$@"
  if [ -z "$reinstall" ]; then return; fi
  waiting apt-get -q -o DPkg::Lock::Timeout=0 check || :
  if grep -q "$lock_lines" "$D/.apt"; then reinstall='' reinstall_ours=''; else list_to_reinstall "$@"; fi
}

list_to_reinstall() {
  reinstall='' reinstall_ours=''
  lr_native=$(dpkg --print-architecture)
  while read -r lr_flag lr_state lr_name lr_architecture lr_binary; do
    case $lr_flag,$lr_state in reinstreq,* | *,half-installed) ;; *) continue ;; esac
    lr_word=
    for lr_candidate; do
      case ${lr_candidate%%=*},$lr_architecture in
        "$lr_binary,"* | "$lr_name:$lr_architecture,"* | "$lr_name,$lr_native" | "$lr_name,all") lr_word=$lr_candidate ;;
      esac
    done
    if [ -n "$lr_word" ]; then
      reinstall="$reinstall$lr_word " reinstall_ours="$reinstall_ours$lr_word "
    elif [ "$lr_flag" = reinstreq ]; then
      reinstall="$reinstall$lr_binary "
    fi
  done <<LINES
$(dpkg-query -W -f '${db:Status-Eflag} ${db:Status-Status} ${Package} ${Architecture} ${binary:Package}\n' | sed -n -e '/^reinstreq /p' -e '/^ok half-installed /p')
LINES
}

borrowed=
# borrow_package NAME[=VERSION]: unpacks it aside, where the validation ends with all that it made, and has validators find
# its programs.
borrow_package() {
  begin "borrow package $1"
  bo_place=$D/merged/borrowed
  mkdir -p "$bo_place/download"
  if file_of "$1"; then
    ln -s -- "$file" "$bo_place/download/file.deb"
  else
    (cd "$bo_place/download" && apt -o APT::Sandbox::User=root download -- "$1") || cannot "cannot download \`${1%%=*}\`"
  fi
  dpkg-deb --extract "$bo_place"/download/*.deb "$bo_place" || invalid packages "cannot unpack \`${1%%=*}\`: $(last_lines)"
  rm -r "$bo_place/download"
  PATH=$bo_place/usr/sbin:$bo_place/usr/bin:$bo_place/sbin:$bo_place/bin:$PATH
  borrowed=${1%%=*}
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

install_packages() {
  step "install packages $*" install_packages
  # Services start when their configuration is there: by us.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    : >"$D/policy-rc.d"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
  fi
  apt-mark showhold >"$D/held"
  words_to_reinstall "$@"
  pi_status=0
  if [ -n "$reinstall" ]; then apt_install --reinstall install -- $reinstall || pi_status=$?; fi
  if [ "$pi_status" -eq 0 ]; then
    apt_install install -- "$@"
    pi_status=$?
  fi
  # An upgrade removes the hold of a package, so the hold is set again.
  if [ -s "$D/held" ]; then waiting xargs -a "$D/held" apt-mark hold -- >/dev/null; fi
  release_services
  if [ "$pi_status" -ne 0 ]; then
    die "packages: $(last_lines 7)$(unfinished_packages)"
  fi
  words_to_reinstall "$@"
  if [ -n "$reinstall_ours" ]; then
    die "packages: apt exited with 0, and dpkg did not finish unpacking \`${reinstall_ours% }\`"
  fi
}

apt_install() {
  if [ -n "$may_go" ]; then apt -y "$@"; else apt -y --no-remove "$@"; fi
}

release_services() {
  if [ -e "$D/policy-rc.d" ]; then rm -f /usr/sbin/policy-rc.d "$D/policy-rc.d"; fi
}

# Packages that dpkg has begun and not finished.
unfinished_packages() {
  up_names=$(dpkg-query -W -f '${db:Status-Eflag} ${db:Status-Status} ${binary:Package}\n' |
    sed -n -e 's/^reinstreq [^ ]* //p' -e 's/^ok half-[a-z]* //p' -e 's/^ok unpacked //p' -e 's/^ok triggers-[a-z]* //p' | tr '\n' ' ')
  if [ -n "$up_names" ]; then printf '%s' " (unfinished: \`${up_names% }\`)"; fi
}

hold_packages() {
  step "hold packages $*" hold_packages "$@"
  lock_seconds=60
  try waiting apt-mark hold -- "$@"
}

unhold_packages() {
  step "unhold packages $*" unhold_packages "$@"
  lock_seconds=60
  # A hold from before deployctl stays.
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
  ch_held=" $(apt-mark showhold | tr '\n' ' ')"
  for ch_name in "$@"; do
    case $ch_held in
      *" $ch_name "*) printf '%s held\n' "$ch_name" ;;
      *) printf '%s free\n' "$ch_name" ;;
    esac
  done >>"$D/checkpoint/holds" || die "cannot save which packages are held"
}

# report_kept_packages NAME…: what was installed stays; it is said, and whether dpkg could finish it.
report_kept_packages() {
  release_services
  journal_has install_packages || return 0
  pb_unfinished=$(unfinished_packages)
  printf 'packages kept: %s%s\n' "$*" "$pb_unfinished"
  list_to_reinstall "$@"
  pb_next="run \`dpkg --configure -a\`"
  if [ "$reinstall" != "$reinstall_ours" ]; then
    pb_next="$pb_next, then \`apt-get install --reinstall ${reinstall% }\`"
  elif [ -n "$reinstall" ]; then
    pb_next="$pb_next, then apply again, which reinstalls \`${reinstall% }\`"
  fi
  printf '%s\n' "${pb_unfinished:+$pb_unfinished: $pb_next}" >"$D/packages-kept"
}

undo_hold() {
  journal_has hold_packages "$@" || return 0
  hb_ours=
  for hb_name in "$@"; do
    if ! checkpointed holds "$hb_name" || [ "$value" = free ]; then hb_ours="$hb_ours $hb_name"; fi
  done
  if [ -z "$hb_ours" ]; then return; fi
  lock_seconds=60
  waiting apt-mark unhold -- $hb_ours || note_leftover "packages \`${hb_ours# }\` are still held"
}

undo_unhold() {
  journal_has unhold_packages "$@" || return 0
  lock_seconds=60
  waiting apt-mark hold -- "$@" || note_leftover "packages \`$*\` are no longer held"
}

