# Read by `eval`, with the variables `unit` and `seconds`: ends with the line `unit=absent` where systemd knows no such
# unit, and otherwise prints `unit=running` or `unit=idle` and defines what follows.
if [ "$(systemctl show -P LoadState -- "$unit")" != loaded ]; then
  echo unit=absent
  exit 0
fi
pid=$(systemctl show -P MainPID -- "$unit") || exit
running() {
  [ "${pid:-0}" -ne 0 ]
}
if running; then echo unit=running; else echo unit=idle; fi

# What of a unit decides whether the engine may lock memory, run in real time, or have a ring: its user, limits,
# capabilities and filters, and what of the file system it sees.
rights=$(systemctl show -p User -p Group -p SupplementaryGroups -p LimitRTPRIOSoft -p LimitMEMLOCKSoft -p LimitNOFILESoft \
  -p AmbientCapabilities -p CapabilityBoundingSet -p NoNewPrivileges -p RestrictRealtime -p SystemCallFilter \
  -p RestrictAddressFamilies -p MemoryDenyWriteExecute -p PrivateUsers -p PrivateDevices -p ProtectSystem -p ProtectHome \
  -p ReadWritePaths -- "$unit" | sed 's/^\(Limit[A-Z]*\)Soft=/\1=/') || exit

# as_engine SLICE COMMAND...: runs it as a transient unit with these rights, for `seconds` at most. Its standard output is
# the unit's; a refusal to start ends by systemd's own statuses (200 to 243). In the engine's slice it has the engine's
# CPUs; an empty SLICE keeps it off them. A unit, not `runuser`: sessions get their limits by PAM, services by their unit.
as_engine() {
  slice=$1
  shift
  count=$#
  while IFS= read -r right; do
    set -- "$@" -p "$right"
  done <<END
$rights
END
  # What came first goes last: the command, behind all options.
  set -- "$@" --
  while [ "$count" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    count=$((count - 1))
  done
  systemd-run --quiet --pipe --wait --collect --unit="deployctl-engine-$$" \
    -p RuntimeMaxSec="$seconds" ${slice:+"--slice=$slice"} "$@"
}
