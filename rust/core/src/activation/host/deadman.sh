
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
