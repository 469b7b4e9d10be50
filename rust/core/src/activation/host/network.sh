# --- network -------------------------------------------------------------------------------------------------------------
# The changed files decide which program is notified: `netplan` for files of netplan, `networkd` for its own, `any` for
# what else a module declares to be of the network.

apply_network() { # netplan|networkd|any…
  follow_up apply_network network tell_network "$@"
}

tell_network() {
  for an_what in "$@"; do
    case $an_what in
      netplan) apply_netplan || return 1 ;;
      networkd) apply_networkd || return 1 ;;
      *)
        if command -v netplan >/dev/null && ls /etc/netplan/*.yaml >/dev/null 2>&1; then
          apply_netplan || return 1
        else
          apply_networkd || return 1
        fi
        ;;
    esac
  done
}

apply_netplan() {
  if ! command -v netplan >/dev/null; then
    printf 'netplan is not installed\n'
    return 1
  fi
  if udev_runs; then
    netplan apply
  else
    # A container without udev, which `netplan apply` would ask.
    netplan generate && apply_networkd
  fi
}

# Reloading also configures the links anew whose files have changed.
apply_networkd() {
  if ! systemctl --quiet is-active systemd-networkd.service; then
    printf 'systemd-networkd does not run\n'
    return 1
  fi
  networkctl reload
}

# network_readable netplan|networkd|any…: whether what is there now could be told to those who run the network.
network_readable() {
  for nr_what in "$@"; do
    case $nr_what in
      netplan) netplan_readable || return 1 ;;
      networkd) systemctl --quiet is-active systemd-networkd.service || return 1 ;;
    esac
  done
}

# In a separate directory, so that nothing is written where the running services read.
netplan_readable() {
  command -v netplan >/dev/null || return 1
  rm -rf "$D/.netplan"
  mkdir -p "$D/.netplan" || return 1
  for ne_directory in etc/netplan usr/lib/netplan lib/netplan run/netplan; do
    if [ -d "./$ne_directory" ]; then
      mkdir -p "$D/.netplan/$ne_directory" && cp -a "./$ne_directory/." "$D/.netplan/$ne_directory/" || return 1
    fi
  done
  netplan generate --root-dir "$D/.netplan"
  ne_status=$?
  rm -rf "$D/.netplan"
  return "$ne_status"
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

restore_network() { # netplan|networkd|any…
  if left_to_boot || ! journal_has apply_network; then return; fi
  again apply_network network tell_network "$@"
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
      ip addr add "$3" dev "$1" 2>/dev/null || ip addr show dev "$1" | grep -qF " $3 " || note_leftover "address \`$3\` of \`$1\` is gone"
    fi
  done <"$D/checkpoint/addresses"
  while read -r nb_interface nb_mtu; do
    read_line "/sys/class/net/$nb_interface/mtu"
    if [ -n "$line" ] && [ "$line" != "$nb_mtu" ]; then
      ip link set dev "$nb_interface" mtu "$nb_mtu" || note_leftover "the MTU of \`$nb_interface\` is $line and was $nb_mtu"
    fi
  done <"$D/checkpoint/mtus"
}

