# shellcheck shell=bash
# deployctl_interface DEVICE SERVICE ADDRESS NETMASK ROUTER MTU: a static address and an MTU, set where
# they differ and then read back.
deployctl_interface() {
    local device=$1 service=$2 address=$3 netmask=$4 router=$5 mtu=$6

    # The wrong port must not get the address.
    if ! /usr/sbin/networksetup -listnetworkserviceorder |
        /usr/bin/awk -v service="$service" -v device="$device" '
            /^\([0-9*]+\) / { name = substr($0, index($0, ") ") + 2) }
            /^\(Hardware Port:/ && name == service && $0 ~ "Device: " device "\\)$" { found = 1 }
            END { exit !found }'; then
        echo "network: there is no service \`$service\` on $device; \`networksetup -listnetworkserviceorder\` names them" >&2
        return 1
    fi

    if ! deployctl_has_address "$service" "$address" "$netmask"; then
        echo "network: $service gets $address" >&2
        deployctl_undo_address "$service"
        /usr/sbin/networksetup -setmanual "$service" "$address" "$netmask" "$router"
    fi
    if ! deployctl_has_mtu "$device" "$mtu"; then
        echo "network: $device gets MTU $mtu" >&2
        deployctl_undo /usr/sbin/networksetup -setMTU "$device" \
            "$(/usr/sbin/networksetup -getMTU "$device" | sed -n 's/.*(Current Setting: \([0-9]*\)).*/\1/p')"
        /usr/sbin/networksetup -setMTU "$device" "$mtu"
    fi

    if ! deployctl_has_address "$service" "$address" "$netmask"; then
        echo "network: $service did not take $address" >&2
        return 1
    fi
    if ! deployctl_has_mtu "$device" "$mtu"; then
        echo "network: $device did not take MTU $mtu; its hardware may have no jumbo frames" >&2
        return 1
    fi
}

deployctl_undo_address() {
    local info address netmask router
    info=$(/usr/sbin/networksetup -getinfo "$1")
    address=$(sed -n 's/^IP address: //p' <<<"$info")
    netmask=$(sed -n 's/^Subnet mask: //p' <<<"$info")
    router=$(sed -n 's/^Router: \([0-9.]*\)$/\1/p' <<<"$info")
    case $info in
    'DHCP Configuration'*) deployctl_undo /usr/sbin/networksetup -setdhcp "$1" ;;
    'Manual Configuration'*)
        deployctl_undo /usr/sbin/networksetup -setmanual "$1" "$address" "$netmask" "$router"
        ;;
    *) echo "network: a rollback will not know how $1 was: ${info%%$'\n'*}" >&2 ;;
    esac
}

deployctl_has_address() {
    local info
    info=$(/usr/sbin/networksetup -getinfo "$1")
    [[ "$info" == "Manual Configuration"* ]] &&
        grep -qxF "IP address: $2" <<<"$info" &&
        grep -qxF "Subnet mask: $3" <<<"$info"
}

# `Active MTU: 1500 (Current Setting: 9000)`: the setting counts; without a cable none is active.
deployctl_has_mtu() {
    [[ "$(/usr/sbin/networksetup -getMTU "$1")" == *"(Current Setting: $2)"* ]]
}
