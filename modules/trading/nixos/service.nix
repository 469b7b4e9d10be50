# The engine's [Service] section: real-time rights, and as much sandboxing as they permit.
{
  cpus,
  host,
  lib,
}:
let
  facts = host.trading;
  literal = import ../../literal.nix;
  directory = literal facts.directory;
  state = literal facts.state_directory;
in
{
  User = facts.user;
  Group = facts.group;
  UMask = "0027";
  EnvironmentFile = "${directory}/config/current/engine.env";
  WorkingDirectory = state;
  # Through env, so that the unit verifies before the first release exists.
  ExecStart = "/usr/bin/env ${directory}/current/bin/trading_engine";
  Restart = "on-failure";
  RestartSec = 5;

  Slice = "trading.slice";
  CPUSchedulingPolicy = "fifo";
  CPUSchedulingPriority = facts.priority;
  CPUSchedulingResetOnFork = "no";
  # Both: the affinity that threads inherit, and the CPU set that they cannot leave.
  CPUAffinity = cpus;
  AllowedCPUs = cpus;
  IOSchedulingClass = "realtime";
  OOMScoreAdjust = -900;
  MemorySwapMax = "0";
  LimitMEMLOCK = "infinity";
  LimitNOFILE = 65536;
  AmbientCapabilities = "CAP_SYS_NICE CAP_IPC_LOCK";
  CapabilityBoundingSet = "CAP_SYS_NICE CAP_IPC_LOCK";

  # Left out: PrivateUsers=, RestrictRealtime=yes, and filters without @resources, @aio or
  # @memlock.
  RestrictRealtime = "no";
  NoNewPrivileges = "yes";
  ProtectSystem = "strict";
  ReadWritePaths = [
    state
  ]
  ++ lib.optional (host ? hugepages) (literal host.hugepages.mount);
  ProtectHome = "yes";
  PrivateTmp = "yes";
  PrivateDevices = "yes";
  LockPersonality = "yes";
  MemoryDenyWriteExecute = "yes";
  RestrictNamespaces = "yes";
  RestrictSUIDSGID = "yes";
  ProtectClock = "yes";
  ProtectHostname = "yes";
  ProtectKernelModules = "yes";
  ProtectKernelLogs = "yes";
  ProtectKernelTunables = "yes";
  ProtectControlGroups = "yes";
  RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
  SystemCallArchitectures = "native";
  SystemCallFilter = "@system-service";
}
// lib.optionalAttrs (host ? realtime) { LimitRTPRIO = host.realtime.max_priority; }
