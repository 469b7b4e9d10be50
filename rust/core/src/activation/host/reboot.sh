
# --- what waits for a reboot ------------------------------------------------------------------------------------------

# Of this boot alone, so it is below /run: how our /run/reboot-required looked (`marker`), the paths that wait as they
# were at boot (`states`), and whether something waits that no path takes back (`stays`).
WAITING=/run/deployctl-reboot

# reboot_needed REASON [PATH]: told in the status, and where the distribution's own tools look. PATH is what changed:
# the reason is gone once it is as it was at boot.
reboot_needed() {
  printf '%s\n' "$1" >>"$D/reboot"
  printf '%s\n' "${2:--}" >>"$D/reboot-paths"
  begin "needs a reboot: $1"
  if [ -z "$m_kind" ] && [ ! -e /run/reboot-required ]; then
    printf '*** System restart required ***\n' >/run/reboot-required
    chmod 0644 /run/reboot-required
    look_of_marker >"$D/reboot-required"
  fi
}

look_of_marker() { stat -c '%i %s %y' /run/reboot-required 2>/dev/null; }

# remove_marker LOOK: unless it is not ours, or a package asks for the reboot, too.
remove_marker() {
  if [ -e /run/reboot-required.pkgs ] || [ ! -s "$1" ] || [ "$(look_of_marker)" != "$(cat "$1")" ]; then return; fi
  rm -f /run/reboot-required
}

# settle_reboot: run in a commit. Where all paths that waited are as they were at boot, nothing waits any more.
settle_reboot() {
  if [ -n "$m_kind" ] || { [ ! -s "$D/reboot" ] && [ ! -d "$WAITING" ]; }; then return; fi
  mkdir -p "$WAITING" && : >>"$WAITING/states" || return
  if [ -s "$D/reboot-required" ]; then cp "$D/reboot-required" "$WAITING/marker" || return; fi
  if [ -s "$D/reboot-paths" ]; then
    while IFS= read -r sr_path; do
      if [ "$sr_path" = - ]; then : >"$WAITING/stays"; else remember_state "$sr_path"; fi || return
    done <"$D/reboot-paths"
  fi
  if [ -e "$WAITING/stays" ]; then return; fi
  while read -r _ _ _ _ _ sr_rest; do printf '%s\n' "${sr_rest%% *}"; done <"$WAITING/states" >"$D/.waiting"
  states "$D/.waiting" numbers >"$D/.waiting-now" && cmp -s "$WAITING/states" "$D/.waiting-now" || return 0
  printf '==> what waited for a reboot is as it was at boot\n'
  remove_marker "$WAITING/marker"
  rm -rf "$WAITING" "$D/reboot" "$D/reboot-paths"
}

# remember_state PATH: how it was before this apply, unless it waits already.
remember_state() {
  if state_line "$WAITING/states" "$1"; then return; fi
  if state_line "$D/checkpoint/states" "$1"; then
    printf '%s\n' "$state" >>"$WAITING/states"
  else
    : >"$WAITING/stays"
  fi
}

state_line() { # FILE PATH: its line of `states`, in $state
  while IFS= read -r state; do
    sl_rest=${state#* * * * * }
    if [ "${sl_rest%% *}" = "$2" ]; then return; fi
  done <"$1"
  return 1
}
