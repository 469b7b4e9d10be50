# Inference by MLX, as a launchd daemon: an agent has no access to the local network and runs only
# while a user is logged in.
{
  host,
  lib,
  ...
}:
let
  inherit (host) mlx;
  state = "/var/lib/mlx";
  # From wheels, by uv or by hand, as vLLM's on Linux: nixpkgs builds mlx without Metal.
  server = "/opt/mlx/current/bin/mlx_lm.server";
  # The link of a model of `models` is switched beside the system, so another release is to be another daemon.
  path = mlx.model.path or null;
  isServed = snapshot: "${snapshot.folder}/current" == path;
  served = builtins.filter isServed (builtins.attrValues (host.models.snapshots or { }));
  # So is that of an environment that uv makes.
  isMade = environment: environment.path == "/opt/mlx/current" && environment ? project;
  made = builtins.filter isMade (builtins.attrValues (host.python.environments or { }));
  hash = value: builtins.hashString "sha256" (builtins.toJSON value);
  releases = map (it: hash it.manifest) served ++ map (it: hash it.project) made;
  wired = if mlx.wired_limit_mib or null == null then 0 else mlx.wired_limit_mib;
in
lib.mkIf (host ? mlx) {
  users = {
    knownUsers = [ mlx.user ];
    users.${mlx.user} = {
      # Chosen once: nix-darwin requires a number, and deletes only users above 501.
      uid = lib.mkDefault 533;
      description = "MLX inference";
      home = state;
      isHidden = true;
    };
  };

  launchd.daemons.mlx = {
    command = lib.escapeShellArgs [
      server
      "--model"
      (if path == null then mlx.model.id else path)
      "--host"
      mlx.host
      "--port"
      mlx.port
      "--decode-concurrency"
      mlx.decode_concurrency
      "--prompt-concurrency"
      mlx.prompt_concurrency
      "--prompt-cache-size"
      mlx.prompt_cache_size
      "--prompt-cache-bytes"
      (mlx.prompt_cache_mib * 1048576)
    ];
    environment = {
      HOME = state;
      HF_HOME = "${state}/hf";
      # A request may name any model; the server must not download it.
      HF_HUB_OFFLINE = "1";
      TRANSFORMERS_OFFLINE = "1";
    }
    // lib.optionalAttrs (releases != [ ]) {
      DEPLOYCTL_RELEASE = lib.concatStrings releases;
    };
    serviceConfig = {
      UserName = mlx.user;
      WorkingDirectory = state;
      RunAtLoad = true;
      # launchd does not start it before its environment exists.
      KeepAlive.PathState.${server} = true;
      # `Background`, and the default on some Macs, clamp the GPU to an eighth of its speed.
      ProcessType = "Interactive";
      # The address may come up later than the daemon.
      ThrottleInterval = mlx.restart_throttle_seconds;
      # launchd kills what has not ended by then; without it, Macs were seen to wait 5 seconds.
      ExitTimeOut = mlx.exit_timeout_seconds;
      StandardOutPath = "${state}/log/mlx.log";
      StandardErrorPath = "${state}/log/mlx.log";
    };
  };

  # A reboot resets the limit.
  launchd.daemons.mlx-wired-limit = lib.mkIf (wired != 0) {
    command = "/usr/sbin/sysctl iogpu.wired_limit_mb=${toString wired}";
    serviceConfig.RunAtLoad = true;
  };

  # Before the daemons are loaded: launchd opens the log as that user and does not create its directory, and the limit
  # that a daemon had set already would leave nothing to undo.
  system.activationScripts.launchd.text = lib.mkBefore ''
    install -d -m 0755 /var/lib
    install -d -m 0750 -o ${mlx.user} -g staff ${state} ${state}/log ${state}/hf ${state}/hf/hub
    echo 'checking the limit of wired memory...' >&2
    ${lib.readFile ../undo.sh}
    ${lib.readFile ./darwin/wired-limit.sh}
    deployctl_wired_limit ${toString wired}
  '';
}
