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
      fromModules =
        name:
        import ./stand-in/nixos/from-modules.nix {
          inherit inventory name;
          folder = ./modules;
        };
      # `from_modules` in a system's file asks for what the modules of the repository set on that host.
      declared =
        name:
        let
          file = builtins.fromJSON (builtins.readFile (./systems + "/${name}.json"));
        in
        if file.from_modules or false then
          file
          // fromModules name
          // {
            units = file.units or { } // (fromModules name).units;
          }
        else
          file;
      systems =
        platform: wrap:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = wrap (
              import ./stand-in/${platform} {
                inherit name;
                declared = declared name;
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
