# shellcheck shell=bash
# deployctl_power KEY VALUE: a setting of power management for every source of power, set where it differs
# and then read back.
deployctl_power() {
    if ! deployctl_has_power "$1" "$2"; then
        echo "power: $1 becomes $2" >&2
        deployctl_undo_power "$1"
        /usr/bin/pmset -a "$1" "$2"
    fi
    if ! deployctl_has_power "$1" "$2"; then
        echo "power: $1 did not become $2; \`pmset -g custom\` says what this Mac has" >&2
        return 1
    fi
}

# Each source of power has a section, and may differ.
deployctl_undo_power() {
    local flag value
    /usr/bin/pmset -g custom | /usr/bin/awk -v key="$1" '
        /^Battery Power:/ { flag = "-b" }
        /^AC Power:/ { flag = "-c" }
        /^UPS Power:/ { flag = "-u" }
        $1 == key && flag { print flag, $2 }' | while read -r flag value; do
        deployctl_undo /usr/bin/pmset "$flag" "$1" "$value"
    done
}

# Every section has it so; a Mac with a battery has two sections.
deployctl_has_power() {
    /usr/bin/pmset -g custom | /usr/bin/awk -v key="$1" -v wanted="$2" '
        $1 == key { seen = 1; if ($2 != wanted) differs = 1 }
        END { exit !(seen && !differs) }'
}
