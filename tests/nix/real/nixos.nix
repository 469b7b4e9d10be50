# Our systems, evaluated with the real nixpkgs, for tests/nix/real-nixpkgs.
let
  outputs = import ./inputs.nix;
  systems = outputs.nixosConfigurations;
  inherit (systems.cuda) lib;
  inherit (outputs.inventory) hosts;

  # with' HOST CHANGE: that system, with its facts changed by the function CHANGE.
  with' =
    name: change: (systems.${name}.extendModules { specialArgs.host = change hosts.${name}; }).config;
  changed = name: facts: with' name (host: lib.recursiveUpdate host facts);
  refusals = config: map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
  installed =
    config: part:
    map (package: "${package.name} ${package.outputName}") (
      lib.filter (package: lib.hasInfix part (package.name or "")) config.environment.systemPackages
    );
  twice = list: lib.filter (word: lib.count (other: other == word) list > 1) (lib.unique list);
  vulnerable =
    ids:
    changed "cuda" {
      cuda.accepted_vulnerabilities = lib.mapAttrs (_: _: ids) hosts.cuda.cuda.accepted_vulnerabilities;
    };
in
{
  said = {
    # The warnings; every Mac is evaluated down to its derivation, as `nix flake check` does with the others.
    warnings =
      lib.mapAttrs (_: system: system.config.warnings) systems
      // lib.mapAttrs (
        _: system: builtins.seq system.system.drvPath system.config.warnings
      ) outputs.darwinConfigurations;
    libraries = installed systems.cuda.config "cudnn" ++ installed systems.cuda.config "tensorrt";
    library_folder_is_linked = lib.elem "/lib" systems.cuda.config.environment.pathsToLink;
    words_said_twice = lib.mapAttrs (_: system: twice system.config.boot.kernelParams) systems;
    console = lib.filter (lib.hasPrefix "console=") systems.linode.config.boot.kernelParams;
    answers_for =
      let
        inherit (systems.cuda.config.services) avahi;
      in
      lib.optional (avahi.enable && avahi.publish.addresses) "${avahi.hostName}.${avahi.domainName}";

    without_acceptance = refusals (
      with' "cuda" (host: host // { cuda = removeAttrs host.cuda [ "accepted_vulnerabilities" ]; })
    );
    with_another_one_accepted = refusals (vulnerable [ "CVE-2026-2418" ]);
    stale =
      (changed "cuda" { cuda.accepted_vulnerabilities."cuda12.6-tensorrt-1.0" = [ "CVE-2026-24188" ]; })
      .warnings;
    without_image = refusals (with' "cuda" (host: removeAttrs host [ "image" ]));
    removed_package = refusals (
      changed "linode" {
        platform = "nixos";
        extra.packages.abbreviate = null;
      }
    );

    tmpfiles =
      let
        config = changed "linode" {
          extra.files = [
            {
              path = "/srv/report/config";
              content = "every \"day\" of %H at 100 %\n\tand %%d \\n\n";
              mode = "0640";
              owner = "root";
              group = "root";
            }
          ];
        };
      in
      (lib.findFirst (
        package: lib.hasInfix "10-deployctl-extra" (package.name or "")
      ) null config.systemd.tmpfiles.packages).text;
    mount =
      (changed "linode" { hugepages.mount = "/mnt/huge%1G"; }).systemd.units."mnt-huge\\x251G.mount".text;
  };

  # Each of these throws.
  removed_cuda = (changed "cuda" { cuda.version = "11.8"; }).environment.systemPackages;
  removed_driver = (changed "cuda" { nvidia.branch = 565; }).hardware.nvidia.package.version;
}
