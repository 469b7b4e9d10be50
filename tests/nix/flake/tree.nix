# Every output as a line of text, each derivation instantiated on the way.
outputs:
let
  lib = import ../../../modules/evaluate/lib.nix;

  derivation = value: builtins.seq value.drvPath "${value.name} for ${value.system}";
  names = set: lib.concatStringsSep " " (builtins.attrNames set);
  # `time/nixos.nix`; `default` is several.
  path = module: "${baseNameOf (dirOf module)}/${baseNameOf module}";
  file =
    module:
    if builtins.length module.imports == 1 then
      path (lib.head module.imports)
    else
      "${toString (builtins.length module.imports)} modules";

  # How each output reads.
  plain = show: set: lib.mapAttrs (_: show) set;
  bySystem = show: lib.mapAttrs (_: plain show);
  shown = {
    inventory = inventory: "of ${names inventory.hosts}";
    nixosConfigurations = plain (system: derivation system.config.system.build.toplevel);
    darwinConfigurations = plain (system: derivation system.system);
    nixosModules = plain file;
    darwinModules = plain file;
    lib = plain (_: "function");
    templates = plain (template: template.description);
    packages = bySystem derivation;
    checks = bySystem derivation;
    devShells = bySystem derivation;
    apps = bySystem (app: "${app.type} ${baseNameOf app.program}");
    formatter = plain derivation;
  };

  lines =
    path: value:
    if builtins.isString value then
      [ "${path}  ${builtins.unsafeDiscardStringContext value}" ]
    else
      builtins.concatMap (key: lines "${path}.${key}" value.${key}) (builtins.attrNames value);
in
lib.concatMapStrings (output: lib.concatLines (lines output (shown.${output} outputs.${output}))) (
  builtins.attrNames outputs
)
