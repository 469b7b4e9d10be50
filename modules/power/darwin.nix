# Sleep, and restart after a power failure.
{ host, lib, ... }:
let
  inherit (host) power;
  minutes = if power.computer_sleep == "never" then "0" else toString power.computer_sleep;
in
lib.mkIf (host ? power) {
  power = {
    sleep.computer = power.computer_sleep;
    # `false` would abort the activation of a Mac that has no such setting.
    restartAfterPowerFailure = lib.mkIf power.restart_after_power_failure true;
  };

  # nix-darwin discards the output of systemsetup, failures included: set it by pmset and read it back. Before nix-darwin's
  # own step, which would leave nothing to undo.
  system.activationScripts.power.text = lib.mkBefore (
    lib.concatStringsSep "\n" (
      [
        "echo 'checking power...' >&2"
        (lib.readFile ../undo.sh)
        (lib.readFile ./darwin/power.sh)
        "deployctl_power sleep ${minutes}"
      ]
      ++ lib.optional power.restart_after_power_failure "deployctl_power autorestart 1"
    )
  );
}
