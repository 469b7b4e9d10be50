# shellcheck shell=bash
# deployctl_undo COMMAND…: what a rollback runs, once the system from before is active again, which may know nothing
# of the setting. On disk before the setting changes, for a power cut; each apply starts with none.
deployctl_undo() {
    if [[ -d /var/lib/deployctl ]]; then
        printf '%q ' "$@" >>/var/lib/deployctl/undo
        echo >>/var/lib/deployctl/undo
        sync /var/lib/deployctl/undo
    fi
}
