# Any number of vLLM servers, each its own unit. nixpkgs has no module for it, and its package is years behind: the
# Python environment is /opt/vllm/<version>, made from wheels as on Ubuntu.
{
  cluster,
  host,
  hosts,
  lib,
  pkgs,
  secretsFolder,
  ...
}:
let
  facts = host.vllm;
  literal = import ../literal.nix;
  service = import ./nixos/service.nix;
  ray = import ./nixos/ray.nix {
    inherit
      facts
      lib
      pkgs
      program
      ;
  };

  # A program of Ubuntu's as a script with these arguments; `script` has the first lines by itself.
  program =
    file: arguments:
    let
      text = builtins.readFile (./ubuntu/etc/deployctl/libexec + "/${file}");
      isCode = line: line != "set -eu" && builtins.match " *#.*" line == null;
      code = lib.concatStringsSep "\n" (lib.filter isCode (lib.splitString "\n" text));
    in
    builtins.replaceStrings [ "\"$@\"" ] [ (lib.concatStringsSep " \\\n    " arguments) ] code;
  workers = facts.workers or { };
  heads = lib.filterAttrs (_: instance: instance ? over) facts.instances;

  sealed =
    credential:
    if (host.secrets.files or { }) ? ${credential} then
      "${secretsFolder + "/${credential}.age"}"
    else
      null;

  # What Ray, NCCL and Gloo read, where this host is at `address` of a link.
  onLink =
    over: address:
    let
      ends = lib.attrValues cluster.links.${over.link}.endpoints;
      end = lib.head (lib.filter (it: it.address == address) ends);
    in
    {
      RAY_AUTH_MODE = "token";
      RAY_USAGE_STATS_ENABLED = "0";
      VLLM_HOST_IP = address;
      GLOO_SOCKET_IFNAME = end.interface;
      NCCL_SOCKET_IFNAME = "=${end.interface}";
    };

  # Begins to load when all nodes have joined.
  serverOver =
    over:
    onLink over over.address
    // {
      DEPLOYCTL_NODES = lib.concatStringsSep " " (
        [
          "${over.address}:${toString over.port}"
          over.address
        ]
        ++ lib.attrValues over.workers
      );
      RAY_ADDRESS = "${over.address}:${toString over.port}";
      # What vLLM must not send to its workers with the rest of its environment, such as the key.
      VLLM_CONFIG_ROOT = "/etc/deployctl/vllm";
    };

  # Of what both a server and its node of Ray are made.
  environment =
    name: gpus:
    {
      HOME = "/var/lib/${name}";
      HF_HOME = "/var/lib/${name}/hf";
      HF_HUB_OFFLINE = "1";
      VLLM_CACHE_ROOT = "/var/cache/${name}";
      TRITON_CACHE_DIR = "/var/cache/${name}/triton";
      TRITON_LIBCUDA_PATH = "/run/opengl-driver/lib";
      VLLM_NO_USAGE_STATS = "1";
      CUDA_DEVICE_ORDER = "PCI_BUS_ID";
      # The driver shows it the GPUs of DeviceAllow= alone, and numbers these from 0.
      CUDA_VISIBLE_DEVICES = lib.concatMapStringsSep "," toString (lib.genList lib.id (lib.length gpus));
      NIX_LD = "/run/current-system/sw/share/nix-ld/lib/ld.so";
      NIX_LD_LIBRARY_PATH = libraries;
    }
    // lib.optionalAttrs (projects != [ ]) { LD_LIBRARY_PATH = libraries; };

  node =
    {
      name,
      instance,
      address,
      gpus,
      isHead,
    }:
    {
      name = "${name}-ray";
      value = ray {
        inherit
          name
          instance
          address
          gpus
          isHead
          ;
        environment = environment name gpus // onLink instance.over address;
        secret = sealed instance.over.credential;
        restarts = [ facts.version ] ++ made ++ lib.optionals (!isHead) (pinned instance);
      };
    };
  headNode =
    name: instance:
    node {
      inherit name instance;
      inherit (instance.over) address;
      inherit (instance) gpus;
      isHead = true;
    };
  workerNode =
    name: worker:
    node {
      inherit name;
      inherit (worker) address gpus;
      instance = hosts.${worker.head}.vllm.instances.${name};
      isHead = false;
    };

  # The link of a model of `models` is switched beside the system.
  pinned =
    instance:
    let
      snapshots = builtins.attrValues (host.models.snapshots or { });
      isServed = snapshot: "${snapshot.folder}/current" == instance.model.path;
      hash = snapshot: builtins.hashString "sha256" (builtins.toJSON snapshot.manifest);
    in
    map hash (builtins.filter isServed snapshots);

  # What wheels are linked with, and the GPU's driver.
  libraries = "/run/current-system/sw/share/nix-ld/lib:/run/opengl-driver/lib";

  # The project that uv makes the environment from, with an interpreter of nixpkgs, which nix-ld does not load. Its link is
  # switched beside the system, as those of models are.
  projects = map (it: it.project) (
    builtins.filter (it: it.path == "/opt/vllm/current" && it ? project) (
      builtins.attrValues (host.python.environments or { })
    )
  );
  made = map (project: builtins.hashString "sha256" (builtins.toJSON project)) projects;

  # Where it listens, as options of vLLM.
  listens =
    instance:
    if instance ? socket then
      [ "--uds ${instance.socket}" ]
    else
      [
        "--host ${instance.address}"
        "--port ${toString instance.port}"
      ];

  # What curl asks for its health.
  health =
    instance:
    if instance ? socket then
      "--unix-socket ${instance.socket} http://localhost/health"
    else if lib.hasInfix ":" instance.address then
      "'http://[${instance.address}]:${toString instance.port}/health'"
    else
      "http://${instance.address}:${toString instance.port}/health";

  arguments =
    instance:
    [
      instance.model.path
      "--served-model-name ${instance.model.served_name}"
    ]
    ++ listens instance
    ++ [ "--dtype ${instance.dtype}" ]
    ++ lib.optional (instance ? kv_cache_dtype) "--kv-cache-dtype ${instance.kv_cache_dtype}"
    ++ (
      if instance ? over then
        [
          "--distributed-executor-backend ray"
          "--tensor-parallel-size ${toString instance.over.tensor_parallel}"
          "--pipeline-parallel-size ${toString instance.over.pipeline_parallel}"
        ]
      else
        lib.optional (
          lib.length instance.gpus > 1
        ) "--tensor-parallel-size ${toString (lib.length instance.gpus)}"
    )
    ++ [
      "--max-model-len ${toString instance.max_model_len}"
      "--max-num-seqs ${toString instance.max_num_seqs}"
      "--gpu-memory-utilization ${builtins.toJSON instance.gpu_memory_utilization}"
      "--disable-fastapi-docs"
      "--disable-access-log-for-endpoints /health,/metrics"
      "--enable-per-request-metrics"
    ];

  unit =
    name: instance:
    {
      description = "vLLM inference server for ${instance.model.id}";
      documentation = [ "https://docs.vllm.ai" ];
      after = [
        "network-online.target"
        "nvidia-persistenced.service"
        "nvidia-power-limit.service"
      ]
      # Where both use a GPU, each counts what is free there while it loads: one starts after the other.
      ++ map (other: "${other}.service") (
        lib.filter (
          other: other < name && lib.any (gpu: lib.elem gpu instance.gpus) facts.instances.${other}.gpus
        ) (lib.attrNames facts.instances)
      )
      ++ lib.optional (instance ? over) "${name}-ray.service";
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig = {
        RequiresMountsFor = literal instance.model.path;
        # The environment and the key are installed after the first apply; until then systemd skips it.
        ConditionPathExists = [
          "/opt/vllm/current/bin/vllm"
          "/etc/deployctl/secrets/${instance.credential}"
        ]
        ++ lib.optional (pinned instance != [ ]) (literal instance.model.path);
      }
      // lib.optionalAttrs (instance ? over) { Requires = "${name}-ray.service"; };
      # agenix opens another value at the same path: it is the encrypted file that changes.
      restartTriggers = [
        facts.version
      ]
      ++ made
      ++ lib.filter (it: it != null) [ (sealed instance.credential) ]
      ++ pinned instance;

      # No CUDA_HOME, and no toolkit among the libraries: vLLM brings its own CUDA, and just-in-time compilation would
      # mix the two. It does need the driver's own libraries.
      environment =
        environment name instance.gpus // lib.optionalAttrs (instance ? over) (serverOver instance.over);
      path = [
        pkgs.curl
        # For just-in-time compilation.
        pkgs.gcc
      ];

      # Keys are passed in the environment: every user of the host can read a command line.
      script = program "vllm-serve" (arguments instance);
      # It does not tell systemd when it is ready: the start is complete when it answers.
      postStart = program "vllm-ready" [ (health instance) ];
      serviceConfig =
        service { inherit facts instance name; }
        // lib.optionalAttrs (instance ? over) {
          LoadCredential = [
            "api-key:/etc/deployctl/secrets/${instance.credential}"
            "ray-token:/etc/deployctl/secrets/${instance.over.credential}"
          ];
          ReadWritePaths = "/run/${name}-ray";
        };
    }
    # A crash leaves the socket behind, and vLLM binds without unlinking.
    // lib.optionalAttrs (instance ? socket) { preStart = "rm -f ${instance.socket}"; };
in
{
  config = lib.mkIf (host ? vllm) {
    users.groups.${facts.group} = { };
    users.users.${facts.user} = {
      isSystemUser = true;
      inherit (facts) group;
      home = "/var/lib/vllm";
    };

    # The key itself comes from an encrypted file and never enters the Nix store.
    systemd.tmpfiles.settings."10-deployctl-vllm" = {
      "/etc/deployctl/secrets".d.mode = "0700";
    }
    // lib.optionalAttrs (projects == [ ]) { "/opt/vllm/current"."L+".argument = facts.version; };

    # Wheels, and the Python that uv brings, are linked for other distributions.
    programs.nix-ld.enable = true;

    # For servers over several hosts.
    environment.etc =
      lib.optionalAttrs (heads != { } || workers != { }) {
        "deployctl/libexec/vllm-nodes" = {
          text = builtins.readFile ./ubuntu/etc/deployctl/libexec/vllm-nodes;
          mode = "0755";
        };
      }
      // lib.optionalAttrs (heads != { }) {
        "deployctl/vllm/ray_non_carry_over_env_vars.json".text =
          builtins.readFile ./ubuntu/etc/deployctl/vllm/ray_non_carry_over_env_vars.json;
      };

    systemd.services =
      lib.mapAttrs unit facts.instances
      // lib.mapAttrs' headNode heads
      // lib.mapAttrs' workerNode workers;
  };
}
