# shellcheck shell=bash
# deployctl_raw_datagram BYTES: what macOS lets a socket of ping send at once, at least. A macOS without the setting has
# no such limit to raise.
deployctl_raw_datagram() {
    local old
    old=$(/usr/sbin/sysctl -n net.inet.raw.maxdgram) || return 0
    if ((old < $1)); then
        deployctl_undo /usr/sbin/sysctl "net.inet.raw.maxdgram=$old"
        /usr/sbin/sysctl "net.inet.raw.maxdgram=$1"
    fi
}
