# shellcheck shell=bash
# deployctl_wired_limit MIB: memory that the GPU may wire; 0 is the system's own limit.
deployctl_wired_limit() {
    local old
    old=$(/usr/sbin/sysctl -n iogpu.wired_limit_mb)
    if [[ "$old" != "$1" ]]; then
        deployctl_undo /usr/sbin/sysctl "iogpu.wired_limit_mb=$old"
        /usr/sbin/sysctl "iogpu.wired_limit_mb=$1"
    fi
}
