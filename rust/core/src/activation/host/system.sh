
# --- live values -------------------------------------------------------------------------------------------------

# read_sysctl KEY: the value in $value, blanks made single. KEY is the path below /proc/sys.
read_sysctl() {
  # Not by `read`: it asks byte by byte, and these files have an answer only to the first question.
  value=$(cat "/proc/sys/$1" 2>/dev/null) || return 1
  set -f
  value=$(printf '%s ' $value)
  set +f
  value=${value% }
}

sysctl_set() { # KEY VALUE
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 = $2"
    return
  fi
  step "sysctl $1 = $2"
  [ -e "/proc/sys/$1" ] || die "\`$this\`: the kernel has no such setting"
  printf '%s\n' "$2" 2>/dev/null >"/proc/sys/$1" || die "\`$this\`: the kernel does not take it"
}

sysctl_original() { # KEY
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 as it was"
  elif saved "$S/original/sysctls" "$1"; then
    sysctl_set "$1" "$value"
  fi
}

sysctl_back() { # KEY
  if [ -n "$SANDBOX$boot_mode" ] || ! checkpointed sysctls "$1"; then return; fi
  sb_was=$value
  if read_sysctl "$1" && [ "$value" = "$sb_was" ]; then return; fi
  step "sysctl $1 = $sb_was"
  printf '%s\n' "$sb_was" 2>/dev/null >"/proc/sys/$1" || :
  if ! read_sysctl "$1" || [ "$value" != "$sb_was" ]; then complain "sysctl \`$1\` is \`$value\` and was \`$sb_was\`"; fi
}

module_loaded() {
  ml_name=$(printf '%s' "$1" | tr - _)
  [ -d "/sys/module/$ml_name" ]
}

module() { # NAME
  if [ -n "$SANDBOX" ]; then
    skip "module $1"
    return
  fi
  step "module $1"
  try modprobe -- "$1"
}

module_back() { # NAME
  if [ -n "$SANDBOX$boot_mode" ] || checkpointed modules "$1" || ! did "module $1"; then return; fi
  if ! module_loaded "$1"; then return; fi
  step "unload module $1"
  modprobe -r -- "$1" || printf 'kept: module %s is in use\n' "$1"
}

# --- units ----------------------------------------------------------------------------------------------------------

# unit_states UNIT…: a line `UNIT ACTIVE FILE-STATE LOAD` each, `-` for nothing. systemd answers in the order asked.
unit_states() {
  systemctl show -p LoadState -p ActiveState -p UnitFileState -- "$@" >"$D/.units" || return 1
  exec 3<"$D/.units"
  for us_unit in "$@"; do
    us_load=- us_active=- us_file=-
    while IFS='=' read -r key value; do
      case $key in
        LoadState) us_load=$value ;;
        ActiveState) us_active=$value ;;
        UnitFileState) us_file=${value:--} ;;
        '') break ;;
      esac
    done <&3
    printf '%s %s %s %s\n' "$us_unit" "$us_active" "$us_file" "$us_load"
  done
  exec 3<&-
}

unit() { # ACTION UNIT [SECONDS]
  if [ -n "$SANDBOX" ]; then
    skip "unit $1 $2"
    return
  fi
  step "unit $1 $2"
  case $1 in
    enable | disable) try systemctl --quiet "$1" -- "$2" ;;
    stop) try systemctl stop -- "$2" ;;
    reload) try timeout "$3" systemctl reload-or-restart -- "$2" ;;
    *)
      # A unit that failed often enough is not started again before this.
      systemctl reset-failed -- "$2" 2>/dev/null || :
      timeout "$3" systemctl "$1" -- "$2" || {
        journalctl --quiet --no-pager --output=cat --lines=5 --unit="$2" 2>/dev/null
        die "\`$this\`: $(last_lines)"
      }
      ;;
  esac
  case $1 in start | restart | reload) started="$started $2" ;; esac
}
started=

# unit_release UNIT: before its files go: as far down as it was before deployctl first managed it.
unit_release() {
  if [ -n "$SANDBOX" ]; then
    skip "unit original $1"
    return
  fi
  if ! saved "$S/original/units" "$1"; then return; fi
  case $value in active' '* | activating' '* | reloading' '*) ;; *) unit stop "$1" ;; esac
  case $value in *' enabled '*) ;; *)
    step "unit disable $1"
    systemctl --quiet disable -- "$1" || : ;;
  esac
}

# unit_original UNIT: after its files are back: as far up as it was.
unit_original() {
  if [ -n "$SANDBOX" ] || ! saved "$S/original/units" "$1"; then return; fi
  uo_was=$value
  case $uo_was in *' enabled '*) unit enable "$1" ;; esac
  case $uo_was in active' '*) unit restart "$1" 120 ;; esac
}

# unit_halt UNIT: first part of a rollback, while the new unit files are still there.
unit_halt() {
  if [ -n "$SANDBOX" ] || ! touched_unit "$1" || ! checkpointed units "$1"; then return; fi
  case $value in
    active' '* | activating' '* | reloading' '*) ;;
    *)
      step "stop $1"
      if [ -n "$boot_mode" ]; then
        systemctl --no-block stop -- "$1" 2>/dev/null || :
      else
        systemctl stop -- "$1" || :
      fi
      ;;
  esac
  case $value in
    *' enabled '*) ;;
    *) if did "unit enable $1"; then systemctl --quiet disable -- "$1" || :; fi ;;
  esac
}

# unit_back UNIT SECONDS: last part of a rollback.
unit_back() {
  if [ -n "$SANDBOX" ] || ! checkpointed units "$1"; then return; fi
  if ! touched_unit "$1"; then return; fi
  ub_was=$value
  case $ub_was in
    *' enabled '*)
      if did "unit disable $1"; then
        step "enable $1"
        systemctl --quiet enable -- "$1" || complain "unit \`$1\` is not enabled as it was"
      fi
      ;;
  esac
  if [ -n "$boot_mode" ]; then return; fi
  systemctl reset-failed -- "$1" 2>/dev/null || :
  case $ub_was in
    active' '* | activating' '* | reloading' '*)
      step "restart $1"
      timeout "$2" systemctl restart -- "$1" || complain "unit \`$1\` does not start as it did"
      ;;
  esac
}

touched_unit() {
  for tu_action in start stop restart reload enable disable; do
    if did "unit $tu_action $1"; then return 0; fi
  done
  return 1
}

# units_settled: what was started is active, or ended well, and nothing failed that had not failed before.
units_settled() {
  if [ -n "$SANDBOX" ] || [ "$manager" != systemd ]; then return; fi
  if [ -n "$started" ]; then
    # A program that dies at once needs a moment to do so.
    sleep 1
    step "look at the units"
    unit_states $started >"$D/.started" || die "cannot ask systemd for the state of units: $(last_lines)"
    while read -r su_unit su_active _; do
      case $su_active in
        failed | activating)
          journalctl --quiet --no-pager --output=cat --lines=10 --unit="$su_unit" 2>/dev/null
          die "\`$su_unit\` is $su_active after its start: $(last_lines)"
          ;;
      esac
    done <"$D/.started"
  fi
  failed_now=$(systemctl list-units --state=failed --plain --no-legend --full | cut -d ' ' -f 1)
  for su_unit in $failed_now; do
    case $su_unit in deployctl-*) continue ;; esac
    if saved "$D/baseline" "$su_unit"; then continue; fi
    die "\`$su_unit\` failed, and had not failed before"
  done
}

verify_units() {
  if [ -n "$SANDBOX$boot_mode" ] || [ ! -s "$D/checkpoint/units" ]; then return; fi
  vu_units=
  while read -r vu_unit _; do vu_units="$vu_units $vu_unit"; done <"$D/checkpoint/units"
  unit_states $vu_units >"$D/.after" || {
    complain "cannot ask systemd for the state of units"
    return
  }
  exec 3<"$D/.after"
  while read -r vu_unit vu_was vu_was_file _; do
    read -r _ vu_is vu_is_file _ <&3
    case $vu_was:$vu_is in
      active:active | inactive:inactive | failed:* | inactive:failed | activating:* | reloading:* | deactivating:*) ;;
      active:*) complain "unit \`$vu_unit\` is $vu_is and was active" ;;
      *:active | *:activating) complain "unit \`$vu_unit\` is $vu_is and was $vu_was" ;;
    esac
    case $vu_was_file:$vu_is_file in
      enabled:enabled) ;;
      enabled:* | *:enabled) complain "unit \`$vu_unit\` is ${vu_is_file} and was ${vu_was_file}" ;;
    esac
  done <"$D/checkpoint/units"
  exec 3<&-
}

# --- follow-ups -------------------------------------------------------------------------------------------------------

# follow WORD COMMAND…: a step that a sandbox leaves out.
follow() {
  fo_word=$1
  shift
  if [ -n "$SANDBOX" ]; then
    skip "$fo_word"
    return
  fi
  step "$fo_word"
  try "$@"
}

sysusers() { follow sysusers systemd-sysusers "$@"; }
tmpfiles() { follow tmpfiles systemd-tmpfiles --create "$@"; }
udev() { follow udev reload_udev; }
daemon_reload() { follow daemon-reload systemctl daemon-reload; }
network() { follow network apply_network; }
initramfs() { follow initramfs update-initramfs -u; }
bootloader() { follow bootloader update-grub; }
firewall() { follow firewall load_firewall "$@"; }

reload_udev() { udevadm control --reload && udevadm trigger && udevadm settle --timeout=30; }

apply_network() {
  if command -v netplan >/dev/null && command -v udevadm >/dev/null; then
    netplan apply
  elif command -v netplan >/dev/null; then
    # A container without udev.
    netplan generate && networkctl reload
  elif systemctl --quiet is-active systemd-networkd.service; then
    networkctl reload
  else
    printf 'neither netplan nor systemd-networkd is in use\n'
    return 1
  fi
}

# load_firewall FAMILY TABLE FILE…: our table, all at once, and nobody else's.
load_firewall() {
  lf_family=$1 lf_table=$2
  shift 2
  {
    printf 'table %s %s\ndelete table %s %s\n' "$lf_family" "$lf_table" "$lf_family" "$lf_table"
    [ $# -eq 0 ] || cat -- "$@"
  } >"$D/.nft" && nft -f "$D/.nft"
}

# reboot_needed REASON: told in the status, and where the distribution's own tools look.
reboot_needed() {
  printf '%s\n' "$1" >>"$D/reboot"
  if [ -n "$SANDBOX" ]; then
    skip "reboot: $1"
    return
  fi
  step "needs a reboot: $1"
  if [ -z "$m_kind" ] && [ ! -e /run/reboot-required ]; then
    printf '*** System restart required ***\n' >/run/reboot-required
    chmod 0644 /run/reboot-required
    : >"$D/reboot-required"
  fi
}

# again WORD COMMAND…: the rollback's side of a follow-up that the activation began.
again() {
  ag_word=$1
  shift
  if [ -n "$SANDBOX$boot_mode" ] || ! did "$ag_word"; then return; fi
  printf '==> %s again\n' "$ag_word"
  "$@" || complain "$ag_word: $(last_lines)"
}

udev_back() { again udev reload_udev; }
initramfs_back() { again initramfs update-initramfs -u; }
bootloader_back() { again bootloader update-grub; }

daemon_reload_back() {
  if [ -n "$SANDBOX" ]; then return; fi
  printf '==> daemon-reload again\n'
  systemctl daemon-reload || complain "daemon-reload: $(last_lines)"
}

firewall_back() { # FAMILY TABLE
  again firewall load_checkpointed_firewall "$1" "$2"
}

load_checkpointed_firewall() {
  if [ -s "$D/checkpoint/firewall" ]; then
    load_firewall "$1" "$2" "$D/checkpoint/firewall"
  else
    # Made first, so that it can be deleted whether it is there or not.
    load_firewall "$1" "$2"
  fi
}

addresses() {
  ip -o addr show scope global | while read -r _ ad_interface ad_family ad_address ad_rest; do
    case $ad_rest in *dynamic* | *temporary*) continue ;; esac
    printf '%s %s %s\n' "$ad_interface" "$ad_family" "$ad_address"
  done
}

mtus() {
  for mt_file in /sys/class/net/*/mtu; do
    read -r value <"$mt_file" || continue
    mt_interface=${mt_file%/mtu}
    printf '%s %s\n' "${mt_interface##*/}" "$value"
  done
}

network_back() {
  if [ -n "$SANDBOX$boot_mode" ] || ! did network; then return; fi
  again network apply_network
  # What the restored files do not say, because it was set by hand, is set by hand.
  addresses >"$D/.addresses"
  while read -r nb_line; do
    if ! grep -qxF -e "$nb_line" "$D/checkpoint/addresses"; then
      set -- $nb_line
      ip addr del "$3" dev "$1" || :
    fi
  done <"$D/.addresses"
  while read -r nb_line; do
    if ! grep -qxF -e "$nb_line" "$D/.addresses"; then
      set -- $nb_line
      ip addr add "$3" dev "$1" 2>/dev/null || ip addr show dev "$1" | grep -qF " $3 " || complain "address \`$3\` of \`$1\` is gone"
    fi
  done <"$D/checkpoint/addresses"
  while read -r nb_interface nb_mtu; do
    line "/sys/class/net/$nb_interface/mtu"
    if [ -n "$line" ] && [ "$line" != "$nb_mtu" ]; then
      ip link set dev "$nb_interface" mtu "$nb_mtu" || complain "the MTU of \`$nb_interface\` is $line and was $nb_mtu"
    fi
  done <"$D/checkpoint/mtus"
}
