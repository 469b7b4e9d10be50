# formatter.<system>: `nix fmt`.
inputs: system:
(inputs.treefmt-nix.lib.evalModule inputs.nixpkgs.legacyPackages.${system} ./treefmt.nix)
.config.build.wrapper
