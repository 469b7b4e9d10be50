# The repository of the closure stories: hosts as ever, and what Nix builds for them.
#
# The systems are STAND-INS, with neither nixpkgs nor nix-darwin: each is a bare derivation that
# keeps the contract which deployctl relies on (see nixos/ and darwin/ here). Nix, the copy, the store,
# profiles, roots and systemd are real.
{
  outputs =
    _:
    let
      inventory = import ./hosts;
      of =
        platform:
        builtins.filter (name: inventory.hosts.${name}.platform == platform) (
          builtins.attrNames inventory.hosts
        );
      systems =
        platform: wrap:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = wrap (
              import ./stand-in/${platform} {
                inherit name;
                declared = builtins.fromJSON (builtins.readFile (./systems + "/${name}.json"));
              }
            );
          }) (of platform)
        );
    in
    {
      inherit inventory;
      nixosConfigurations = systems "nixos" (toplevel: {
        config.system.build = { inherit toplevel; };
      });
      darwinConfigurations = systems "darwin" (system: {
        inherit system;
      });
    };
}
