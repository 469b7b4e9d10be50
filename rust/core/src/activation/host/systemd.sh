
# --- the service manager is systemd ---------------------------------------------------------------------------------------

# Not bound to the connection that called us. When it is killed, what it began is put back at once: by ExecStopPost=, or,
# where that is killed as well (it is in the same cgroup), by the unit that recovers at boot. SIGKILL, since the stop may
# take as long as a rollback, and nothing may go on meanwhile.
systemd_launch() {
  systemd-run --quiet --collect --unit="deployctl-apply-$ID" --property=Type=exec --property=KillSignal=SIGKILL \
    --property=TimeoutStopSec=1800 --property=OnFailure=deployctl-recover.service \
    --property="ExecStopPost=/bin/sh -c '[ \"\$\$SERVICE_RESULT\" = success ] || exec /bin/sh $S/host.sh recover $ID'" \
    --description="deployctl apply $ID" /bin/sh "$D/host.sh" run "$ID" 9>&-
}

systemd_running() { systemctl --quiet is-active "deployctl-apply-$ID.service"; }

systemd_stop() { systemctl --quiet stop "deployctl-apply-$ID.service" 2>/dev/null || :; }

systemd_timer() { # SECONDS
  read_line "$D/timer"
  sr_old=$line
  sr_number=${sr_old##*.}
  sr_last=$((${sr_number:-0} + 4))
  sr_number=${sr_number:-0}
  # Its own recovery and the activation may both set it anew, so a number may be taken.
  while :; do
    sr_number=$((sr_number + 1))
    sr_new=deployctl-deadman-$ID.$sr_number
    systemd-run --quiet --collect --on-active="$(($1 + 1))" --timer-property=AccuracySec=1s --unit="$sr_new" \
      --description="deployctl dead-man timer of apply $ID" /bin/sh "$S/host.sh" recover "$ID" 9>&- && break
    [ "$sr_number" -lt "$sr_last" ] || return 1
  done
  timer_waits "$sr_new" || return 1
  { printf '%s\n' "$sr_new" >"$D/timer.new" && mv -f "$D/timer.new" "$D/timer"; } || return 1
  if [ -n "$sr_old" ]; then systemctl --quiet stop "$sr_old.timer" 2>/dev/null || :; fi
}

# A timer whose service runs is `active`, too, and will never elapse again: only one that waits counts.
timer_waits() { # NAME
  [ "$(systemctl show -p SubState --value "$1.timer" 2>/dev/null)" = waiting ]
}

systemd_timer_active() {
  read_line "$D/timer"
  [ -n "$line" ] && timer_waits "$line"
}

systemd_disarm() {
  read_line "$D/timer"
  if [ -n "$line" ]; then systemctl --quiet stop "$line.timer" 2>/dev/null || :; fi
}

# Runs at boot, and where the unit of an apply failed, which systemd may keep as failed although it was to be collected.
# A boot while an apply is open undoes it before anything that it configured starts. Not so for a system of NixOS: until
# the commit a reboot starts the one from before, and its /etc/systemd/system cannot be written.
systemd_boot() {
  if [ -n "$m_kind" ]; then return; fi
  bu_file=/etc/systemd/system/deployctl-recover.service
  bu_text="[Unit]
Description=deployctl: put back an apply that was not confirmed
DefaultDependencies=no
RequiresMountsFor=$S /usr
After=systemd-remount-fs.service
Before=sysinit.target systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-sysusers.service systemd-tmpfiles-setup.service nftables.service nftables-deployctl.service network-pre.target systemd-networkd.service
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecCondition=/bin/sh -c 'systemctl --quiet reset-failed \"deployctl-apply-*.service\"; test -e $S/lease'
ExecStart=/bin/sh $S/host.sh recover --boot
SuccessExitStatus=5 9

[Install]
WantedBy=sysinit.target"
  if [ "$(cat $bu_file 2>/dev/null)" != "$bu_text" ]; then
    printf '%s\n' "$bu_text" >$bu_file.new
    chmod 0644 $bu_file.new
    flush $bu_file.new
    mv -f $bu_file.new $bu_file
    systemctl daemon-reload || return 1
  fi
  if [ ! -h /etc/systemd/system/sysinit.target.wants/deployctl-recover.service ]; then
    systemctl --quiet enable deployctl-recover.service || return 1
    flush /etc/systemd/system /etc/systemd/system/sysinit.target.wants
  fi
}

# The boot unit of a system of NixOS comes too early to switch it, and the switch may stop that unit. Where this is
# under way already, or the system wants its unit while another switch is at work, nothing is lost.
systemd_recover() {
  if systemctl --quiet is-active "deployctl-recover-$ID.service"; then return; fi
  systemd-run --quiet --collect --no-block --unit="deployctl-recover-$ID" --property=After=multi-user.target \
    --description="deployctl: put back apply $ID" /bin/sh "$S/host.sh" recover "$ID" 2>>"$D/log" 9>&-
}
