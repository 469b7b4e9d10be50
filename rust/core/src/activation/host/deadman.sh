
# --- the dead-man timer ----------------------------------------------------------------------------------------------------------

# The service manager starts what must outlive the call, and the dead-man timer. A sandbox has none ($manager is empty):
# everything runs in the call itself.
manager=
choose_manager() {
  manager=systemd
  if [ -d "$ROOT/System/Library/LaunchDaemons" ]; then manager=launchd; fi
}

launch() { "${manager}_launch"; }                  # the activation, on its own
running() { [ -n "$manager" ] && "${manager}_running"; }
start_timer() { "${manager}_timer" "$1"; }         # SECONDS: calls `recover` then
timer_active() { "${manager}_timer_active"; }
boot_unit() { "${manager}_boot"; }                 # a boot calls `recover --boot`

going_down() { [ "$manager" = systemd ] && [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; }

# left_to_boot: this boot has yet to start units and the network, or the host goes down: systemd stops all of them then, so
# what runs says nothing of a rollback, and the next boot starts what is enabled.
left_to_boot() { [ -n "$boot_mode" ] || going_down; }

disarm() {
  rm -f "$D/deadline"
  if [ -n "$manager" ]; then "${manager}_disarm"; fi
}

arm() {
  clock
  printf '%s\n' "$((now + m_max_seconds))" >"$D/limit"
  set_deadline "$((now + m_step_seconds))" || refuse arm "cannot write the deadline"
  if [ -z "$manager" ]; then
    skip "dead-man timer of $m_step_seconds s" >>"$D/log"
    return
  fi
  flush_tree "$D" "$S/lease" "$S/host.sh" 2>>"$D/log" || refuse arm "cannot sync the checkpoint: $(last_lines)"
  flush "$S" "$S/applies"
  boot_unit >>"$D/log" 2>&1 || refuse arm "cannot install the boot unit: $(last_lines)"
  start_timer "$m_step_seconds" >>"$D/log" 2>&1 || refuse arm "cannot start the dead-man timer: $(last_lines)"
}
