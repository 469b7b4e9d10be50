
# --- status for programs: a frame that rust/core/src/activation/status.rs reads -------------------------------------

log_cap=262144 # bytes of log in one frame
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
  read_line "$D/failure"
  if [ -n "$line" ]; then printf 'failure %s\n' "$line"; fi
  if [ -s "$D/reboot" ] && same_boot; then
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

# --- status for people -------------------------------------------------------------------------------------------------------

# tell: what is going on, what happens next by itself and when, and the command that ends it now.
tell() {
  generation
  if [ -z "$D" ]; then
    printf 'No apply was ever started on this host. Nothing happens by itself.\n'
    return
  fi
  read_meta
  phase
  read_line "$D/failure"
  te_code=${line%% *} te_reason=${line#* }
  te_apply="Apply $ID${m_holder:+ of $m_holder}${m_host:+ on $m_host}"
  te_change="this host from generation $m_base to $((m_base + 1))"
  case $phase in
    staged | validated | checkpointed)
      printf '%s is being prepared (phase: %s). It has changed nothing yet.\n' "$te_apply" "$phase"
      printf 'If its controller is gone, nothing happens by itself until the next apply, which ends it.\n'
      printf 'To end it now:  sh %s/host.sh rollback\n' "$S"
      ;;
    armed)
      printf '%s is about to change %s.\n' "$te_apply" "$te_change"
      tell_deadline
      ;;
    activating)
      printf '%s is changing %s.\n' "$te_apply" "$te_change"
      tell_deadline
      ;;
    activated)
      printf '%s has changed %s and waits for its confirmation.\n' "$te_apply" "$te_change"
      tell_deadline
      ;;
    rolling-back)
      printf '%s is being rolled back to generation %s: %s.\n' "$te_apply" "$m_base" "$te_reason"
      printf 'The host ends this by itself; to follow it:  tail -f %s/log\n' "$D"
      printf 'If it has stopped, to go on now:  sh %s/host.sh rollback\n' "$S"
      ;;
    rolled-back)
      if [ "$te_code" = abandoned ]; then
        printf '%s was abandoned: %s.\n' "$te_apply" "$te_reason"
      else
        printf '%s was rolled back: %s.\n' "$te_apply" "$te_reason"
      fi
      tell_closed
      ;;
    rollback-failed)
      # `rollback CODE TEXT`, with the code of what it was rolled back for.
      printf 'The rollback of apply%s failed: %s.\n' "${te_apply#Apply}" "${te_reason#* }"
      printf 'Nothing happens by itself. Mend what is named, then try again:  sh %s/host.sh rollback\n' "$S"
      printf 'To take the host as it is instead:  sh %s/host.sh rollback --abandon\n' "$S"
      ;;
    refused)
      printf '%s was refused and changed nothing: %s.\n' "$te_apply" "$te_reason"
      tell_closed
      ;;
    committed)
      if read_lease && [ "$lease_apply" = "$ID" ]; then
        printf '%s is confirmed, but its commit was cut off. The next apply completes it.\n' "$te_apply"
        printf 'To complete it now:  sh %s/host.sh recover %s\n' "$S" "$ID"
      else
        printf '%s is committed as generation %s.\n' "$te_apply" "$((m_base + 1))"
        tell_closed
      fi
      ;;
  esac
  case $phase in rolled-back | refused) return ;; esac
  if [ -s "$D/reboot" ] && same_boot; then
    while IFS= read -r reason; do printf 'It takes full effect after a reboot: %s.\n' "$reason"; done <"$D/reboot"
  fi
}

# tell_deadline: for an apply that can still be confirmed.
tell_deadline() {
  if [ -e "$D/boot" ] && ! same_boot; then
    printf 'The host has booted since, so it rolls the apply back by itself, at boot.\n'
  elif ! time_left; then
    printf 'No dead-man timer is set for it, so nothing happens by itself before the next boot.\n'
  elif [ "$left" -le 0 ]; then
    printf 'It was not confirmed in time, so the host rolls it back by itself, now.\n'
  else
    local_time "$left"
    printf 'If it is not confirmed by %s (in %s s), the host rolls it back by itself.\n' "$local_time" "$left"
  fi
  printf 'To roll it back now:  sh %s/host.sh rollback\n' "$S"
}

# tell_closed: after an apply that is over.
tell_closed() {
  if read_lease && [ "$lease_apply" != "$ID" ]; then
    printf 'Apply %s is open now:  sh %s/host.sh status\n' "$lease_apply" "$S"
  else
    printf 'The host is at generation %s. No apply is open, and nothing happens by itself.\n' "$generation"
  fi
}

# local_time SECONDS: the host's clock so many seconds from now, in $local_time. The `date` of macOS has no -d.
local_time() {
  lt_then=$(($(date +%s) + $1))
  local_time=$(date -d "@$lt_then" +%H:%M:%S 2>/dev/null || date -r "$lt_then" +%H:%M:%S)
}

# answer STATUS: what is the case, and the end of the program. Programs have no terminal.
last_act= # the job that this runs in, once it has to go
answer() {
  if [ -t 1 ]; then tell; else frame 0; fi
  if [ -n "$last_act" ]; then launchctl bootout "system/$last_act"; fi
  exit "$1"
}

is_number() {
  case $1 in '' | *[!0-9]* | ??????????????*) return 1 ;; esac
}

status() { # [OFFSET] [--frame] [--extend SECONDS]
  st_offset=0 st_extend='' st_frame=''
  if [ $# -gt 0 ] && is_number "$1"; then
    st_offset=$1 st_frame=1
    shift
  fi
  if [ "${1-}" = --frame ]; then
    st_frame=1
    shift
  fi
  if [ "${1-}" = --extend ]; then
    is_number "${2-}" || usage
    st_extend=$2
    shift 2
  fi
  [ $# -eq 0 ] || usage
  if [ -n "$D" ]; then look_after "$st_extend"; fi
  if [ -n "$st_frame" ]; then frame "$st_offset"; else tell; fi
  exit 0
}

# look_after [SECONDS]: what a call of `status` does for an open apply: put its deadline off, or notice a boot.
look_after() {
  read_meta
  phase
  # On Ubuntu a boot unit does that; a system of Nix has it only from the module that declares it.
  case $phase in
    armed | activating | activated | rolling-back)
      if [ -n "$m_kind" ] && ! same_boot; then
        (
          trap '' HUP PIPE
          exec sh "$D/host.sh" recover "$ID"
        ) >/dev/null 2>&1
        find_apply "$ID"
        phase
      fi
      ;;
  esac
  case $phase in
    armed | activating | activated)
      if [ -n "$1" ] && same_boot && time_left && [ "$left" -gt 0 ]; then extend "$((now + $1))"; fi
      ;;
  esac
}
