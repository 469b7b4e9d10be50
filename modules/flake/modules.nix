# The modules of a platform, by concern; `default` is all of them. They are sets, since older versions of
# `nix flake check` reject paths.
platform:
let
  modules = import ../imports.nix [ ../. ] platform;
in
builtins.mapAttrs (_: module: { imports = [ module ]; }) modules
// {
  default.imports = builtins.attrValues modules;
}
