# What the unit `name` of one server may do, and how it ends.
{
  facts,
  instance,
  name,
}:
{
  User = facts.user;
  Group = facts.group;
  UMask = "0007";
  RuntimeDirectory = name;
  RuntimeDirectoryMode = "0750";
  StateDirectory = name;
  CacheDirectory = name;
  LoadCredential = "api-key:/etc/deployctl/secrets/${instance.credential}";
  TimeoutStartSec = instance.start_timeout_seconds;
  # Where its engine ended, it says that all went well.
  Restart = "always";
  RestartSec = 15;
  # Its engine and the workers, one for each GPU, are processes of their own, and theirs is the GPU's memory. However
  # the main process ends, all of the control group is told to end, and what has not ended after a minute is killed.
  KillMode = "control-group";
  SendSIGKILL = "yes";
  TimeoutStopSec = 60;
  LimitMEMLOCK = "infinity";
  LimitNOFILE = 65536;
  # Neither PrivateDevices= nor MemoryDenyWriteExecute=: it needs the GPU and compiles as it runs.
  DevicePolicy = "closed";
  DeviceAllow = map (gpu: "/dev/nvidia${toString gpu} rw") instance.gpus ++ [
    "/dev/nvidiactl rw"
    "/dev/nvidia-uvm rw"
    "/dev/nvidia-uvm-tools rw"
  ];
  NoNewPrivileges = "yes";
  ProtectSystem = "strict";
  ProtectHome = "yes";
  PrivateTmp = "yes";
  ReadOnlyPaths = (import ../../literal.nix) instance.model.path;
  RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
}
