# The node of Ray of the server `name`, which reaches over several hosts: of its head, or of a host that works for it.
{
  facts,
  lib,
  pkgs,
  program,
}:
{
  # The server's facts, on its head.
  instance,
  # Where this host is on the link.
  address,
  gpus,
  isHead,
  name,
  # What server and node have in common.
  environment,
  secret,
  restarts,
}:
let
  literal = import ../../literal.nix;
  inherit (instance) over;
  port = offset: toString (over.port + offset);
  head = "${over.address}:${port 0}";
  service = import ./service.nix {
    inherit facts name;
    instance = instance // {
      inherit gpus;
    };
  };

  arguments =
    (
      if isHead then
        [
          "--head"
          "--port ${port 0}"
          "--include-dashboard false"
        ]
      else
        [ "--address ${head}" ]
    )
    ++ [
      "--node-ip-address ${address}"
      "--node-manager-port ${port 1}"
      "--object-manager-port ${port 2}"
      "--runtime-env-agent-port ${port 3}"
      "--metrics-export-port ${port 4}"
      "--dashboard-agent-listen-port ${port 5}"
      "--dashboard-agent-grpc-port ${port 6}"
      "--min-worker-port ${port 10}"
      "--max-worker-port ${port 99}"
      "--num-gpus ${toString (lib.length gpus)}"
      "--num-cpus 1"
      "--object-store-memory 268435456"
      "--temp-dir /run/${name}-ray"
      "--disable-usage-stats"
    ];
in
{
  description = "Ray for ${name}, a server of vLLM over several hosts";
  documentation = [
    "https://docs.vllm.ai"
    "https://docs.ray.io"
  ];
  after = [
    "network-online.target"
    "nvidia-persistenced.service"
    "nvidia-power-limit.service"
  ];
  wants = [ "network-online.target" ];
  wantedBy = [ "multi-user.target" ];
  unitConfig = {
    RequiresMountsFor = literal instance.model.path;
    # The environment and the token are installed after the first apply; until then systemd skips it.
    ConditionPathExists = [
      "/opt/vllm/current/bin/ray"
      "/etc/deployctl/secrets/${over.credential}"
    ];
  };
  restartTriggers = restarts ++ lib.optional (secret != null) secret;
  # Only who shows the token may ask anything of Ray. Its logs are in memory.
  environment =
    environment
    // {
      RAY_ROTATION_MAX_BYTES = "8388608";
      RAY_ROTATION_BACKUP_COUNT = "1";
      # vLLM's workers never end by themselves.
      RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S = "0";
    }
    // lib.optionalAttrs (!isHead) { DEPLOYCTL_HEAD = head; };
  path = [
    # For just-in-time compilation.
    pkgs.gcc
  ];
  # Ray listens on all addresses of the host, whatever address it is given: the firewall leaves it the link alone.
  script = program "vllm-ray" arguments;
  serviceConfig = removeAttrs service [ "TimeoutStartSec" ] // {
    # Sockets and logs of one run, which go with it.
    RuntimeDirectory = "${name}-ray";
    LoadCredential = "ray-token:/etc/deployctl/secrets/${over.credential}";
    # It ends when it has lost the head, or one of its own processes.
    RestartSec = 5;
    # The main process ends the others, and says 1 then, as where one ended by itself; whatever is left after it, or
    # after a minute, is killed.
    SuccessExitStatus = 1;
    KillMode = "mixed";
  };
}
