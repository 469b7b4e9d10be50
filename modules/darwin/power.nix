# Sleep, and what happens when the mains come back.
{ host, lib, ... }:
let
  inherit (host) power;
  minutes = if power.computer_sleep == "never" then "0" else toString power.computer_sleep;
  restart = if power.restart_after_power_failure then "1" else "0";
in
lib.mkIf (host ? power) {
  power = {
    sleep.computer = power.computer_sleep;
    # `false` would abort the activation of a Mac that has no such setting.
    restartAfterPowerFailure = lib.mkIf power.restart_after_power_failure true;
  };

  # nix-darwin throws away what systemsetup says, failures too: set the same by pmset, and look.
  system.activationScripts.postActivation.text = ''
    echo 'setting and checking power...' >&2
    /usr/bin/pmset -a sleep ${minutes}
    ${lib.optionalString power.restart_after_power_failure "/usr/bin/pmset -a autorestart ${restart}"}
    power_wrong() {
      /usr/bin/pmset -g custom | /usr/bin/awk -v key="$1" -v wanted="$2" \
        '$1 == key { seen = 1; if ($2 != wanted) wrong = 1 } END { exit !(wrong || !seen) }'
    }
    if power_wrong sleep ${minutes}; then
      echo 'power: sleep is not ${minutes} after pmset' >&2
      exit 1
    fi
    ${lib.optionalString power.restart_after_power_failure ''
      if power_wrong autorestart ${restart}; then
        echo 'power: autorestart is not ${restart} after pmset' >&2
        exit 1
      fi
    ''}
  '';
}
