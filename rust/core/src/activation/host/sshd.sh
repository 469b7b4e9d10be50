# --- the way in ---------------------------------------------------------------------------------------------------------

is_ssh_service() {
  case $real in
    ssh.service | sshd.service) ;;
    *) return 1 ;;
  esac
}

# ssh_action: replaces $up_action by the action that suits sshd. The state of $real is in $un_active.
ssh_action() {
  ssh_socket
  case $up_action:$un_active in
    reload:active)
      # systemd holds its port, so it cannot reload: it would die of the signal.
      if [ -n "$ssh_socket" ]; then
        printf 'restart instead of reload: %s holds the port\n' "$ssh_socket"
        up_action=restart
      fi
      ;;
    reload:*)
      if [ -n "$ssh_socket" ]; then
        printf 'nothing to reload: %s starts sshd anew for who comes in\n' "$ssh_socket"
        up_action=nothing
      fi
      ;;
    *:active | *:reloading) ;;
    *) if [ -z "$ssh_socket" ]; then ssh_port_is_free; fi ;;
  esac
}

# Sets $ssh_socket to the active socket that starts sshd for a connection; empty if none is active.
ssh_socket() {
  ssh_socket=
  for so_socket in ssh.socket sshd.socket; do
    if systemctl --quiet is-active -- "$so_socket"; then
      ssh_socket=$so_socket
      return
    fi
  done
}

# ssh_port_is_free: if another sshd holds the port, a start fails, and systemd removes the directory that the other needs.
ssh_port_is_free() {
  command -v ss >/dev/null || return 0
  sshd -T 2>/dev/null | sed -n 's/^listenaddress //p' >"$D/.listen"
  ss -Hltnp >"$D/.listening" 2>/dev/null || return 0
  while read -r sp_wanted; do
    while read -r _ _ _ sp_there _ sp_who; do
      if [ "${sp_wanted##*:}" != "${sp_there##*:}" ]; then continue; fi
      case ${sp_wanted%:*}/${sp_there%:*} in
        0.0.0.0/[[]* | [[]::]/[0-9]* | [0-9]*/[[]::] | [[]*/0.0.0.0) continue ;;
        0.0.0.0/* | [[]::]/* | */0.0.0.0 | */[[]::] | */[*]) ;;
        *) if [ "$sp_wanted" != "$sp_there" ]; then continue; fi ;;
      esac
      sp_pid=${sp_who#*pid=}
      sp_pid=${sp_pid%%[!0-9]*}
      sp_name=${sp_who#*\"}
      die "\`$this\`: port ${sp_wanted##*:} is served by process ${sp_pid:-unknown} (${sp_name%%\"*}), which is not of \`$real\`: a start would fail, and take \`/run/sshd\` from the one that serves; end that process on a console, then \`systemctl start $real\`"
    done <"$D/.listening"
  done <"$D/.listen"
}

# sshd accepts no login without /run/sshd. systemd removes it with a unit that fails, although another sshd may serve.
checkpoint_run_sshd() {
  if [ -d /run/sshd ]; then : >"$D/checkpoint/run-sshd"; fi
}

keep_run_sshd() {
  if [ -n "$boot_mode" ] || [ ! -e "$D/checkpoint/run-sshd" ] || [ -d /run/sshd ]; then return; fi
  mkdir -m 0755 /run/sshd || note_leftover "\`/run/sshd\` is gone, and nobody can log in without it"
}

