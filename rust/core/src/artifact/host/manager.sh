
# --- the service manager: systemd or launchd ----------------------------------------------------------------------------

runs() { "${manager}_runs"; }

unit=deployctl-stage-${J##*/}.service
label=org.deployctl.stage.${J##*/}
case $manager in
  launchd) job=$label job_hint="see \`launchctl print system/$label\` on the host" ;;
  *) job=$unit job_hint='see `journalctl -b` on the host' ;;
esac

systemd_runs() { systemctl --quiet is-active "$unit"; }

systemd_launch() { # [OPTION]...
  systemd-run --quiet --collect --unit="$unit" --property=Type=exec --property=Nice=19 --property=CPUWeight=10 \
    --property=IOWeight=10 --property=IOSchedulingClass=best-effort --property=IOSchedulingPriority=7 \
    --property=RuntimeDirectory="${unit%.service}" --property=RuntimeDirectoryMode=0700 \
    --description="deployctl stages $w_kind $w_name" "$@" /bin/sh "$J/stage.sh" run
}

# systemd_receive: the unit gets our standard input.
systemd_receive() { systemd_launch --pipe --wait; }

systemd_begin() { :; }

systemd_end() { :; }

# The unit's folder is in memory, and goes with it.
systemd_offer() { (umask 077 && cat >"$1"); }

launchd_loaded() { launchctl print "system/$label" >/dev/null 2>&1; }

launchd_runs() {
  la_state=$(launchctl print "system/$label" 2>/dev/null | sed -n 's/^[[:blank:]]*state = //p' | head -n 1)
  case $la_state in '' | 'not running' | exited | waiting) return 1 ;; esac
}

# launchd_launch: its plist is not in /Library/LaunchDaemons, so a boot does not start it.
launchd_launch() {
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    printf '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n<dict>\n'
    printf '<key>Label</key><string>%s</string>\n<key>ProgramArguments</key>\n<array>\n' "$label"
    printf '<string>%s</string>\n' /bin/sh "$J/stage.sh" run
    printf '</array>\n<key>RunAtLoad</key><true/>\n<key>ProcessType</key><string>Background</string>\n'
    printf '<key>LowPriorityIO</key><true/>\n<key>Nice</key><integer>19</integer>\n</dict>\n</plist>\n'
  } >"$J/stage.plist.new" && mv -f "$J/stage.plist.new" "$J/stage.plist" || return
  launchctl bootstrap system "$J/stage.plist" 2>/dev/null && return
  if launchd_runs; then return; fi
  # launchd still knows one that was ended.
  launchctl bootout "system/$label" 2>/dev/null
  la_left=10
  while launchd_loaded && [ "$la_left" -gt 0 ]; do
    sleep 1
    la_left=$((la_left - 1))
  done
  launchctl bootstrap system "$J/stage.plist"
}

# launchd_receive: launchd passes no standard input on, so it runs in the session that sends.
launchd_receive() {
  renice -n 19 -p "$$" >/dev/null 2>&1
  /bin/sh "$J/stage.sh" run
}

launchd_begin() {
  RUNTIME_DIRECTORY=$J/runtime
  rm -rf "$RUNTIME_DIRECTORY" "$J/offers"
  mkdir -m 0700 "$RUNTIME_DIRECTORY" || fail "cannot make \`$RUNTIME_DIRECTORY\`" "see \`$J/log\`"
}

# launchd_offer FILE: macOS has no folder in memory, so it is a pipe, whose writer ends with the job.
launchd_offer() {
  lo_text=$(cat)
  (rm -f "$1" && umask 077 && mkfifo "$1") || fail "cannot make \`$1\`" "see \`$J/log\`"
  (while [ -p "$1" ]; do
    printf '%s\n' "$lo_text" >"$1"
    # Who reads it finds its end before it is opened again.
    sleep 0.1
  done) </dev/null >/dev/null 2>&1 8>&- 9>&- &
  printf '%s\n' "$!" >>"$J/offers"
}

# launchd_end: what runs in a job cannot remove it before it has nothing left to do.
launchd_end() {
  if [ -s "$J/offers" ]; then
    while read -r le_writer; do kill "$le_writer" 2>/dev/null; done <"$J/offers"
  fi
  rm -rf "$J/runtime" "$J/offers"
  if [ "${XPC_SERVICE_NAME-}" = "$label" ]; then launchctl bootout "system/$label"; fi
}
