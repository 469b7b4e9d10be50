
# --- recover -------------------------------------------------------------------------------------------------------------

# recover: continues or ends an open apply without a controller. The dead-man timer, the boot and the next apply call it.
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
        # It has time left, so it goes on, unless its activation should run and does not.
        if { [ "$phase" = activated ] && [ ! -e "$D/committing" ]; } || ! idle; then
          if [ -z "$manager" ] || timer_active || start_timer "$left" || timer_active; then answer 0; fi
          # A host that shuts down starts nothing.
          if going_down; then set_failure interrupted "the host went down before it was confirmed"; fi
          set_failure arm "the dead-man timer could not be set anew"
          end_run
        fi
      elif same_boot; then
        set_failure deadline "nobody confirmed in time"
        end_run
      fi
      ;;
    *) idle || answer 0 ;;
  esac
  lock_work 60 || {
    # Another process works on it. The timer calls this again in case that process fails.
    if [ -n "$manager" ] && ! timer_active; then start_timer 60; fi
    answer 1
  }
  phase
  case $phase in
    committed)
      # It was confirmed while this was about to call it late.
      rm -f "$D/failure"
      finish_commit || answer 1
      answer 0
      ;;
    rolled-back | refused | rollback-failed) answer_rolled_back ;;
    staged | validated | checkpointed) refuse interrupted "the start was cut off; nothing was changed" ;;
  esac
  if ! same_boot; then
    roll_back interrupted "the host has booted before it was confirmed"
  elif going_down; then
    roll_back interrupted "the host went down before it was confirmed"
  elif time_left && [ "$left" -gt 0 ]; then
    roll_back interrupted "the activation was killed"
  else
    roll_back deadline "nobody confirmed in time"
  fi
  answer_rolled_back
}

# idle: no process works on the apply.
idle() {
  lock_work 0 || return 1
  unlock_work
  ! running
}
