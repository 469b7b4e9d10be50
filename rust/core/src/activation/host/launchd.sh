
# --- the service manager is launchd ---------------------------------------------------------------------------------------
# One daemon per apply that looks every few seconds whether the deadline is behind. It starts with the host, too, so it is
# both dead-man timer and boot recovery. What runs in a job cannot boot that job out before it has nothing left to do.

launchd_every=10 # seconds

launchd_label() { label=org.deployctl.$1.$ID; }

# launchd_plist FILE SECONDS ARGUMENT…: for the job $label; 0 seconds: once.
launchd_plist() {
  lp_file=$1 lp_every=$2
  shift 2
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    printf '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n<dict>\n'
    printf '<key>Label</key><string>%s</string>\n<key>ProgramArguments</key>\n<array>\n' "$label"
    printf '<string>%s</string>\n' "$@"
    printf '</array>\n<key>RunAtLoad</key><true/>\n<key>ProcessType</key><string>Interactive</string>\n'
    if [ "$lp_every" -eq 0 ]; then
      printf '<key>LaunchOnlyOnce</key><true/>\n<key>ExitTimeOut</key><integer>1</integer>\n'
    else
      printf '<key>StartInterval</key><integer>%s</integer>\n' "$lp_every"
    fi
    printf '</dict>\n</plist>\n'
  } >"$lp_file"
}

launchd_loaded() { launchctl print "system/$label" >/dev/null 2>&1; }

launchd_launch() {
  launchd_label apply
  launchd_plist "$D/apply.plist" 0 /bin/sh "$D/host.sh" run "$ID" && launchctl bootstrap system "$D/apply.plist" 9>&-
}

launchd_running() {
  launchd_label apply
  # One that launchd is about to start works already.
  la_state=$(launchctl print "system/$label" 2>/dev/null | sed -n 's/^[[:blank:]]*state = //p' | head -n 1)
  case $la_state in '' | 'not running' | exited | waiting) return 1 ;; esac
}

launchd_stop() {
  launchd_label apply
  launchctl bootout "system/$label" 2>/dev/null
  la_left=60
  while launchd_loaded && [ "$la_left" -gt 0 ]; do
    sleep 1
    la_left=$((la_left - 1))
  done
}

# launchd_timer SECONDS: the daemon reads the deadline by itself.
launchd_timer() {
  launchd_label recover
  la_file=$ROOT/Library/LaunchDaemons/$label.plist
  launchd_plist "$la_file.new" "$launchd_every" /bin/sh "$S/host.sh" recover "$ID" || return 1
  flush "$la_file.new"
  mv -f "$la_file.new" "$la_file" || return 1
  flush "${la_file%/*}"
  launchd_loaded || launchctl bootstrap system "$la_file" 9>&-
}

launchd_timer_active() {
  launchd_label recover
  [ -f "$ROOT/Library/LaunchDaemons/$label.plist" ] && launchd_loaded
}

# The daemon does that.
launchd_boot() { :; }

launchd_disarm() {
  launchd_label recover
  rm -f "$ROOT/Library/LaunchDaemons/$label.plist"
  launchd_bootout
  launchd_label apply
  launchd_bootout
}

launchd_bootout() {
  if [ "${XPC_SERVICE_NAME-}" = "$label" ]; then
    last_act=$label
  elif launchd_loaded; then
    launchctl bootout "system/$label" 2>/dev/null || :
  fi
}
