
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
