
# --- recover -------------------------------------------------------------------------------------------------------------

# recover: what the apply needs by itself. Called by the dead-man timer, at boot, and by the next apply.
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
