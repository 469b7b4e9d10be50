
# --- systems that Nix built ------------------------------------------------------------------------------------------------
# Each system contains the program that activates it: `bin/switch-to-configuration` (nixos), `activate` (darwin). Until the
# commit it only runs; what the next boot starts does not move. PATH is a store path, and KIND one of the two words.

nix_state=$ROOT/nix/var/nix
system_profile=$nix_state/profiles/system
roots=$nix_state/gcroots/deployctl
profile_seconds=120 # for moving the profile
boot_seconds=300    # for writing the boot loader's files
back_seconds=900    # for switching back
undo_seconds=120    # for what an activation left to be undone

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

# Prints the output of the current step.
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

# check_system PATH KIND: the system is on the host, complete, and as it was built.
check_system() {
  begin "closure valid $1"
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
  preflight "$1"
}

# preflight PATH: what the system itself wants to be so, before it runs here.
preflight() {
  pf_program=$ROOT$1/etc/deployctl/preflight
  if [ ! -e "$pf_program" ]; then return; fi
  begin "preflight $1"
  sh "$pf_program" </dev/null || invalid validate "\`$1\` cannot run here: $(last_lines)"
}

# checkpoint_system KIND: what runs, and what the next boot starts.
checkpoint_system() {
  begin "checkpoint system"
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

# switch_system PATH KIND [UNIT…]: runs it. UNITs count as failed even if they had failed before: they are started anew.
switch_system() {
  step "closure test $1" switch_system "$1"
  ct_path=$1 ct_kind=$2
  shift 2
  activate_system "$ct_path" "$ct_kind" test
  if [ "$activated" -ne 0 ]; then
    what_it_means "$ct_kind"
    case $ct_kind:$activated:$means in
      nixos:100:* | nixos:*:'another switch'*) step "closure untouched" refuse_switch "$ct_path" ;;
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

# commit_system PATH KIND: from here the host boots it. Done while it can still be rolled back; what is left for after
# the commit is to let go of what is no longer needed.
commit_system() {
  if [ "$phase" = committed ]; then
    forget_roots "$1" && rm -f "$S/undo"
    return
  fi
  # A recovery in the meantime believes `activated` as long as a process works on the apply.
  : >"$D/committing"
  clock
  set_deadline "$((now + profile_seconds + boot_seconds + 60))" || die "cannot put the dead-man timer off"
  step "closure profile $1" set_profile "$1"
  flush "$D/journal"
  try timeout -k 10 "$profile_seconds" nix-env -p "$system_profile" --set "$1"
  flush "${system_profile%/*}"
  what_runs
  [ "$sys_profile" = "$1" ] || die "the system profile leads to \`$sys_profile\` after it was set"
  if [ "$2" = nixos ]; then
    cc_known=$sys_boot
    step "closure boot $1" set_boot_default "$1"
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

# restore_system PATH KIND: the system from before, first what the next boot starts, then what runs; and a look at all of it.
restore_system() {
  [ -r "$D/checkpoint/system" ] || return 0
  checkpointed system current && was_current=$value
  checkpointed system profile && was_profile=$value
  checkpointed system link && was_link=$value
  checkpointed system boot && was_boot=$value
  what_runs
  restore_profile "$1"
  if [ "$2" = nixos ]; then restore_boot_default "$1"; fi
  keep_undo
  restore_running_system "$1" "$2"
  # The old system wrote it again when it was switched back to.
  rm -f "$S/undo"
  undo_live_values
  what_runs
  [ "$sys_current" = "$was_current" ] || note_leftover "\`$sys_current\` runs, and \`$was_current\` did"
  [ "$sys_link" = "$was_link" ] || note_leftover "the system profile says \`$sys_link\` and said \`$was_link\`"
  [ "$sys_profile" = "$was_profile" ] || note_leftover "the system profile leads to \`$sys_profile\` and led to \`$was_profile\`"
  if [ -n "$was_boot" ] && [ "$sys_boot" != "$was_boot" ]; then note_leftover "the boot loader starts \`$sys_boot\` and started \`$was_boot\`"; fi
  rm -f "$roots/generation-$((m_base + 1))"
}

restore_profile() { # PATH
  if [ "$sys_link" != "$was_link" ]; then
    begin "closure profile back"
    if [ -z "$was_link" ]; then
      rm -f "$system_profile"
    else
      ln -sfn -- "$was_link" "$system_profile.deployctl" && replace "$system_profile.deployctl" "$system_profile"
    fi || note_leftover "the system profile: $(last_lines)"
    flush "${system_profile%/*}"
  fi
  # Otherwise the generation that the commit made stays in the boot menu, and some boot loaders start the newest.
  if ! journal_has set_profile "$1"; then return; fi
  for pb_link in "$system_profile"-*-link; do
    if grep -qxF "had ${pb_link##*/}" "$D/checkpoint/generations"; then continue; fi
    if [ "$(readlink "$pb_link")" = "$1" ]; then rm -f "$pb_link"; fi
  done
}

restore_boot_default() { # PATH
  bb_system=${was_boot:-${was_profile:-$was_current}}
  if ! journal_has set_boot_default "$1" && { [ -z "$was_boot" ] || [ "$sys_boot" = "$was_boot" ]; }; then return; fi
  begin "closure boot back"
  switch_back "$bb_system" nixos boot "$boot_seconds" ||
    note_leftover "the boot loader may still start \`$1\`: \`$bb_system\`: $means"
}

restore_running_system() { # PATH KIND
  if [ "$sys_current" = "$was_current" ]; then
    if ! journal_has switch_system "$1" || journal_has refuse_switch "$1"; then return; fi
    # Until the commit a boot starts the old system. That of macOS keeps more of the new one than files in /run.
    if [ "$2" = nixos ] && ! same_boot; then return; fi
  fi
  begin "closure back"
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
  note_leftover "\`$was_current\`: $means"
}

# forget_failures: resets failed units that only the removed system had.
forget_failures() {
  if [ "$manager" != systemd ]; then return; fi
  systemctl list-units --state=failed --plain --no-legend --full | while read -r ff_unit ff_load _; do
    if [ "$ff_load" = not-found ] && ! saved "$D/baseline" "$ff_unit"; then systemctl reset-failed -- "$ff_unit"; fi
  done
}

# keep_undo: keeps what the new system wrote down; once, even if the rollback starts several times.
keep_undo() {
  if [ -e "$D/undo" ]; then return; fi
  : >>"$S/undo"
  flush "$S/undo"
  mv -f "$S/undo" "$D/undo" || note_leftover "what the activation had set: $(last_lines)"
}

# An activation writes down in `undo` how to restore what the earlier system may not know: on a Mac, addresses and power
# management.
undo_live_values() {
  if [ ! -s "$D/undo" ]; then return; fi
  begin "live back"
  if timeout -k 10 "$undo_seconds" sh "$D/undo" </dev/null; then
    : >"$D/undo"
  else
    note_leftover "what its activation had set is not all as it was: $(last_lines)"
  fi
}

# switch_back PATH KIND ACTION SECONDS: retries while another switch still runs.
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
    begin "closure back, once more"
  done
}
