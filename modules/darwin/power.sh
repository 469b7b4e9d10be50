# shellcheck shell=bash
# deployctl_power KEY VALUE: a setting of power management for every source of power, set where it differs
# and then read back.
deployctl_power() {
    if ! deployctl_has_power "$1" "$2"; then
        echo "power: $1 becomes $2" >&2
        /usr/bin/pmset -a "$1" "$2"
    fi
    if ! deployctl_has_power "$1" "$2"; then
        echo "power: $1 did not become $2; \`pmset -g custom\` says what this Mac has" >&2
        return 1
    fi
}

# Every section has it so; a Mac with a battery has two sections.
deployctl_has_power() {
    /usr/bin/pmset -g custom | /usr/bin/awk -v key="$1" -v wanted="$2" '
        $1 == key { seen = 1; if ($2 != wanted) differs = 1 }
        END { exit !(seen && !differs) }'
}
