# Sleep, and what happens when the mains come back.
{ host, lib, ... }:
lib.mkIf (host ? power) {
  power = {
    sleep.computer = host.power.computer_sleep;
    restartAfterPowerFailure = host.power.restart_after_power_failure;
  };
}
