
# --- packages: forward only --------------------------------------------------------------------------------------------

apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none \
    apt-get -q -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 --allow-change-held-packages "$@" </dev/null
}

# invalid CODE TEXT: ends the validation (always in a subshell).
invalid() {
  printf 'refused: %s\n' "$2"
  printf '%s %s\n' "$1" "$2" >"$D/why"
  exit 1
}

# packages_may_go NAME…: what is declared to be replaced by what gets installed.
may_go=
packages_may_go() {
  may_go=" $* "
}

# packages_simulate NAME[=VERSION]…: on the merged tree, so with the staged pins and sources.
packages_simulate() {
  if [ -n "$SANDBOX" ]; then
    skip "simulate $*"
    return
  fi
  step "simulate packages $*"
  if ! simulate "$@"; then
    # The package lists may be older than the pin.
    apt update || invalid packages "\`apt-get update\` failed: $(last_lines)"
    simulate "$@" || simulation_failed
  fi
  ps_removed=
  for ps_name in $(removals); do
    case $may_go in
      *" $ps_name "*) ;;
      *) ps_removed="$ps_removed$ps_name " ;;
    esac
  done
  if [ -n "$ps_removed" ]; then
    invalid packages "apt would remove \`${ps_removed% }\`; only what a package is declared to replace may go"
  fi
  ps_downgraded=$(apt_list DOWNGRADED)
  if [ -n "$ps_downgraded" ]; then
    invalid packages "apt would downgrade \`${ps_downgraded% }\`; packages only go forward"
  fi
  for ps_held in $(apt_list 'held packages will be changed'); do
    case " $* " in
      *" $ps_held "* | *" $ps_held="*) ;;
      *) invalid packages "apt would change \`$ps_held\`, which is held and not declared" ;;
    esac
  done
}

# The names of what the simulation would remove.
removals() {
  sed -n 's/^Remv \([^ ]*\).*/\1/p' "$D/apt"
}

simulate() {
  apt -s install -- "$@" >"$D/apt" 2>&1
  si_status=$?
  cat "$D/apt"
  return "$si_status"
}

# apt_list WORDS: the names below the heading with WORDS in the simulation.
apt_list() {
  sed -n "/^The following .*$1/,/^[^ ]/{/^ /p;}" "$D/apt" | tr -s ' \n' ' ' | sed 's/^ //'
}

simulation_failed() {
  sf_text=
  while read -r _ _ sf_version _ sf_name _; do
    sf_version=${sf_version#?} sf_version=${sf_version%?}
    sf_name=${sf_name#?} sf_name=${sf_name%?}
    sf_text="$sf_text, superseded pin: \`$sf_name\` is to be $sf_version, and the archive offers $(apt_candidate "$sf_name")"
  done <<LINES
$(grep "^E: Version '.*' for '.*' was not found" "$D/apt")
LINES
  case $sf_text in
    *"is to be ,"* | '') ;;
    *) invalid packages "${sf_text#, }" ;;
  esac
  invalid packages "apt cannot do it: $(grep -e '^E: ' -e 'Depends: ' -e 'Conflicts: ' -e 'Breaks: ' "$D/apt" | tr -s '\n\t ' ' ' | sed 's/^ //;s/ $//' | cut -c 1-400)"
}

apt_candidate() {
  ac_candidate=$(apt-cache policy -- "$1" | sed -n 's/^  Candidate: //p')
  ac_others=$(apt-cache madison -- "$1" | cut -d '|' -f 2 | tr -d ' ' | sort -u | head -n 5 | tr '\n' ' ')
  printf '%s' "${ac_others:-${ac_candidate:-none}}" | sed 's/ $//'
}

packages_download() {
  if [ -n "$SANDBOX" ]; then return; fi
  step "download packages"
  apt -y --download-only install -- "$@" || invalid packages "cannot download packages: $(last_lines)"
}

packages_install() {
  if [ -n "$SANDBOX" ]; then
    skip "install $*"
    return
  fi
  step "install packages $*"
  # Services start when their configuration is there: by us.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    : >"$D/policy-rc.d"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
  fi
  apt-mark showhold >"$D/held"
  if [ -n "$may_go" ]; then apt -y install -- "$@"; else apt -y --no-remove install -- "$@"; fi
  pi_status=$?
  # An upgrade takes a package's hold away; whether it is held is not the upgrade's to say.
  if [ -s "$D/held" ]; then xargs apt-mark hold -- <"$D/held" >/dev/null; fi
  release_services
  if [ "$pi_status" -ne 0 ]; then
    die "packages: $(last_lines 7)$(unfinished_packages)"
  fi
}

release_services() {
  if [ -e "$D/policy-rc.d" ]; then rm -f /usr/sbin/policy-rc.d "$D/policy-rc.d"; fi
}

# Packages that dpkg has begun and not finished.
unfinished_packages() {
  up_names=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' |
    sed -n -e 's/^half-configured //p' -e 's/^half-installed //p' -e 's/^unpacked //p' -e 's/^triggers-[a-z]* //p' | tr '\n' ' ')
  if [ -n "$up_names" ]; then printf '%s' " (unfinished: \`${up_names% }\`)"; fi
}

package_hold() {
  if [ -n "$SANDBOX" ]; then
    skip "hold $*"
    return
  fi
  step "hold packages $*"
  try apt-mark hold -- "$@"
}

package_unhold() {
  if [ -n "$SANDBOX" ]; then
    skip "unhold $*"
    return
  fi
  step "unhold packages $*"
  try apt-mark unhold -- "$@"
}

# packages_back NAME…: what was installed stays; it is said, and whether dpkg could finish it.
packages_back() {
  if [ -n "$SANDBOX" ]; then return; fi
  release_services
  case $journal in *'install packages '*) ;; *) return ;; esac
  printf 'packages kept: %s%s\n' "$*" "$(unfinished_packages)"
  : >"$D/packages-kept"
}

hold_back() {
  if [ -n "$SANDBOX" ] || ! did "hold packages $*"; then return; fi
  apt-mark unhold -- "$@" || complain "packages \`$*\` are still held"
}

unhold_back() {
  if [ -n "$SANDBOX" ] || ! did "unhold packages $*"; then return; fi
  apt-mark hold -- "$@" || complain "packages \`$*\` are no longer held"
}
