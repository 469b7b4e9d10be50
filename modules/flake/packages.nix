# packages.<system>: deployctl, its documentation, and what is built for each host. A host's packages
# exist on every system, so that a Mac can ask its builders for them.
cluster: system:
let
  inherit (cluster) inputs;
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  hosts = import ./select.nix cluster;
  nixos = import ./nixos.nix cluster;
  installer = import ./installer.nix cluster nixos;
  rendered = import ./rendered.nix cluster system;
  program = pkgs.callPackage ../../rust/package.nix { };
  # Static, so that it runs on any Linux host.
  hostprobe = pkgs.pkgsStatic.callPackage ../../rust/package.nix { crate = "hostprobe"; };
  deployctl = pkgs.callPackage ./deployctl.nix {
    inherit program;
    # Its hosts are x86-64; on other systems `DEPLOYCTL_HOSTPROBE` names a build.
    hostprobe = if system == "x86_64-linux" then hostprobe else null;
  };

  # forEach NAMES SUFFIX FUNCTION: NAME-SUFFIX → FUNCTION NAME.
  forEach =
    names: suffix: function:
    builtins.listToAttrs (
      map (name: {
        name = "${name}-${suffix}";
        value = function name;
      }) names
    );
in
{
  inherit deployctl;
  default = deployctl;
  docs = pkgs.callPackage ./docs.nix { deployctl = program; };
}
// (if builtins.match ".*-linux" system == null then { } else { inherit hostprobe; })
// forEach hosts.disk "image" (name: nixos.${name}.config.system.build.diskoImages)
// forEach hosts.disk "installer" installer
// forEach hosts.linode "image" (name: nixos.${name}.config.system.build.images.linode)
// forEach hosts.nixos "kernel" (name: nixos.${name}.config.boot.kernelPackages.kernel)
// forEach hosts.ubuntu "rendered" rendered
