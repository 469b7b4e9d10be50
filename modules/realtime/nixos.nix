# CPUs for pinned work only, and who may run in real time on them.
{ host, lib, ... }:
let
  facts = host.realtime;
  cpuList = import ../cpu-list.nix;
  isolated = cpuList facts.isolated_cpus;
  others = cpuList (
    lib.subtractLists facts.isolated_cpus (lib.range 0 (host.hardware.cpu.threads - 1))
  );
in
{
  config = lib.mkIf (host ? realtime) {
    boot.kernelParams = [
      "isolcpus=managed_irq,domain,${isolated}"
      "nohz_full=${isolated}"
      "rcu_nocbs=${isolated}"
      "irqaffinity=${others}"
    ];

    boot.kernel.sysctl."kernel.sched_rt_runtime_us" = toString facts.rt_runtime_us;

    # Everything that does not ask for isolated CPUs stays off them.
    systemd.settings.Manager.CPUAffinity = others;

    # irqbalance would move interrupts to the CPUs that `irqaffinity=` excludes.
    services.irqbalance.enable = false;

    # Null where the hypervisor owns frequency scaling.
    powerManagement.cpuFreqGovernor = lib.mkIf (facts.governor != null) facts.governor;

    users.groups.${facts.group} = { };

    # For login sessions only; services set LimitRTPRIO= and LimitMEMLOCK= themselves.
    security.pam.loginLimits =
      map
        (
          limit:
          {
            domain = "@${facts.group}";
            type = "-";
          }
          // limit
        )
        [
          {
            item = "rtprio";
            value = toString facts.max_priority;
          }
          {
            item = "memlock";
            value = "unlimited";
          }
        ];
  };
}
