
# --- run ---------------------------------------------------------------------------------------------------------------------

run() {
  lock_work 30 || answer 1
  read_meta
  phase
  [ "$phase" = armed ] || answer 1
  if ! same_boot || ! timer_active; then
    printf 'refused: the dead-man timer is not armed\n' >>"$D/log"
    answer 1
  fi
  activate
  # Whatever the outcome, it is in the phase; a failed unit of ours would only be noise.
  answer 0
}

activate() {
  rm -f "$D/why" "$D/failure"
  save_phase activating || {
    roll_back space "cannot write down that it begins"
    return
  }
  (
    . "$D/apply.sh"
    rename_into_place
    check_started_units
  ) >>"$D/log" 2>&1 </dev/null 9>&-
  ac_status=$?
  read_line "$D/why"
  if [ "$ac_status" -eq 0 ]; then
    clock
    time_left || left=0
    # The first timer may have elapsed meanwhile.
    if [ "$left" -gt "$m_confirm_seconds" ] || [ "$left" -lt "$((m_confirm_seconds - 10))" ] || { [ -n "$manager" ] && ! timer_active; }; then
      set_deadline "$((now + m_confirm_seconds))"
      if [ -n "$manager" ]; then
        start_timer "$m_confirm_seconds" >>"$D/log" 2>&1 || {
          roll_back arm "the dead-man timer could not be set anew: $(last_lines)"
          return
        }
      fi
    fi
    save_phase activated || roll_back space "cannot write down that it is activated"
  else
    roll_back step "${line:-\`$(tail -n 1 "$D/journal")\`: ended with $ac_status: $(last_lines)}"
  fi
}
