# Our Macs, evaluated by the real module systems of nixpkgs and nix-darwin, with a `pkgs` of marks:
# everything but building.
#
#   lib, darwin    folders: nixpkgs' lib, nix-darwin
#   agenix         folder with it, as modules/flake/darwin.nix brings it
#   hostName       which Mac
#   extra          a further module, as a test plants it
{
  lib,
  darwin,
  agenix,
  hostName,
  extra ? { },
}:
let
  real = import lib;
  inventory = import ../../../hosts;
  host = (import ../eval).hosts.darwin.${hostName};
  system = "${host.architecture}-darwin";

  # nix-darwin's modules mention packages that we do not know, and evaluates their names.
  filesBelow =
    folder:
    builtins.concatMap (
      name:
      let
        path = folder + "/${name}";
        kind = (builtins.readDir folder).${name};
      in
      if kind == "directory" then
        filesBelow path
      else if real.hasSuffix ".nix" name then
        [ path ]
      else
        [ ]
    ) (builtins.attrNames (builtins.readDir folder));
  mentioned = builtins.concatMap (
    file:
    map builtins.head (
      builtins.filter builtins.isList (
        builtins.concatMap (builtins.split "pkgs\\.([A-Za-z0-9_-]+)") (
          real.splitString "\n" (builtins.readFile file)
        )
      )
    )
  ) (filesBelow (darwin + "/modules"));

  ours = import ../../../modules/evaluate/pkgs.nix {
    names = import ../eval/packages.nix;
    inherit system;
    lib = import ../../../modules/evaluate/lib.nix;
  };
  # A derivation's arguments must evaluate; nothing is built.
  derivation =
    arguments:
    let
      plain = if builtins.isFunction arguments then arguments plain else arguments;
      name = plain.name or plain.pname or "unnamed";
      outputs = real.genAttrs [ "out" "bin" "dev" "man" "doc" "info" ] (_: derivation arguments);
    in
    plain
    // outputs
    // {
      type = "derivation";
      outputName = "out";
      inherit name system;
      arguments = plain;
      outPath = "/nix/store/${name}";
      drvPath = "/nix/store/${name}.drv";
      meta.mainProgram = name;
      passthru = { };
    };
  mark =
    name:
    derivation { inherit name; }
    // {
      pname = name;
      # nix-darwin asks how new Nix is.
      version = "2.31.0";
      override = _: mark name;
      overrideAttrs = _: mark name;
      shellPath = "/bin/${name}";
      packages = { };
    };
  written = name: text: derivation { inherit name text; };
  pkgs =
    real.genAttrs mentioned mark
    // builtins.mapAttrs (name: value: if value ? outPath then mark name else value) (
      real.filterAttrs (_: value: builtins.isAttrs value) ours
    )
    // {
      lib = real;
      inherit system;
      config = { };
      inherit (ours) formats;
      stdenv = mark "stdenv" // {
        mkDerivation = derivation;
        shell = "/nix/store/bash/bin/bash";
        inherit hostPlatform;
      };
      stdenvNoCC.mkDerivation = derivation;
      writeText = written;
      writeTextFile = { name, text, ... }: written name text;
      writeTextDir = written;
      writeScript = written;
      writeScriptBin = written;
      writeShellScript = written;
      writeShellScriptBin = written;
      writeShellApplication = { name, text, ... }: written name text;
      runCommand =
        name: environment: text:
        derivation ({ inherit name text; } // environment);
      runCommandLocal = pkgs.runCommand;
      buildEnv = derivation;
      symlinkJoin = derivation;
      # nix-darwin calls its own function, which returns several.
      callPackage =
        path: _:
        real.genAttrs [ "darwin-option" "darwin-rebuild" "darwin-version" ] mark // mark (baseNameOf path);
      replaceVars = path: _: mark (baseNameOf path);
      substituteAll = derivation;
      buildPackages = pkgs;
    };
  hostPlatform = real.systems.elaborate system;

  evaluated = import (darwin + "/eval-config.nix") {
    lib = real;
    enableNixpkgsReleaseCheck = false;
    specialArgs = {
      inherit pkgs host hostName;
      secretsFolder = "/secrets";
      inherit (inventory) cluster hosts;
    };
    modules = [
      (agenix + "/modules/age.nix")
      {
        imports = builtins.attrValues (import ../../../modules/imports.nix [ ../../../modules ] "darwin");
      }
      { nixpkgs.source = "/nix/store/nixpkgs"; }
      extra
    ];
  };
  inherit (evaluated) config;

  textOf = builtins.mapAttrs (_: file: file.text or null);
  failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
  inherit (config.system.build) toplevel;

  # Any error makes one of these fail.
  everything = [
    config.system.stateVersion
    config.nix.settings
    (textOf config.environment.etc)
    (textOf config.environment.launchDaemons)
    (map toString config.environment.systemPackages)
    (map toString (builtins.attrNames toplevel.arguments))
    config.system.activationScripts.script.text
  ];
in
{
  activate = config.system.activationScripts.script.text;
  inherit toplevel;
  # Failed assertions and warnings: [ ].
  wrong = builtins.deepSeq everything (failed ++ config.warnings);
}
