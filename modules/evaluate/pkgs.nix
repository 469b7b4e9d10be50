# A `pkgs` of marks: a package that a module uses is `<pkgs.NAME>` in goldens, and a text that a
# module writes with it is kept. NAMES are attribute paths in nixpkgs; WORDS are names that are a package wherever
# they stand, below `pkgs` or below another package.
{
  lib,
  system,
  names ? [ ],
  words ? [ ],
}:
let
  inherit (builtins) toJSON;

  # What a word is below another package: that package's own, such as `python3Packages.numpy`.
  below = mark: lib.genAttrs words (word: package "${mark}.${word}" { });
  package =
    mark: rest:
    below mark
    // {
      type = "derivation";
      name = baseNameOf mark;
      pname = baseNameOf mark;
      version = "0";
      inherit system;
      outPath = "<${mark}>";
      drvPath = "<${mark}.drv>";
      outputName = "out";
      # Too many outputs to name: a mark is one path.
      out = package mark rest;
      bin = package mark rest;
      dev = package "${mark}.dev" rest;
      lib = package "${mark}.lib" rest;
      man = package "${mark}.man" rest;
      meta = { };
      passthru = { };
      override = change: package "${mark} override ${show change}" rest;
      overrideAttrs = change: package "${mark} overrideAttrs ${show change}" rest;
      extend = _: package "${mark} extended" rest;
      withPackages = select: package "${mark} with packages" rest;
    }
    // rest;

  # A value that is not data, such as a function, is only named.
  show = value: if lib.isFunction value then "<function>" else toJSON (plain value);
  plain =
    value:
    if lib.isFunction value then
      "<function>"
    else if lib.isDerivation value then
      value.outPath
    else if lib.isAttrs value then
      builtins.mapAttrs (_: plain) value
    else if lib.isList value then
      map plain value
    else
      value;

  named = builtins.foldl' (
    all: path:
    lib.recursiveUpdate all (
      let
        segments = lib.splitString "." path;
        short = lib.last segments;
      in
      lib.setAttrByPath segments {
        inherit (package "pkgs.${path}" { }) type outPath;
        mark = path;
        pname = short;
      }
    )
  ) { } names;

  # Packages inside of a set that is a package too, such as kernel packages.
  finish =
    set:
    if set ? mark then
      package "pkgs.${set.mark}" {
        name = set.pname;
        inherit (set) pname;
      }
      // builtins.mapAttrs (_: finish) (
        removeAttrs set [
          "type"
          "outPath"
          "mark"
          "pname"
        ]
      )
    else
      builtins.mapAttrs (_: finish) set;

  written =
    kind: name: text:
    package "${kind} ${name}" {
      inherit name text;
      outPath = "<${kind} ${name}\n${lib.removeSuffix "\n" text}\n>";
    };
  format = kind: _: {
    type = lib.types.anything;
    generate = name: value: written "pkgs.formats.${kind}" name (toJSON (plain value));
    lib = { };
  };

  # Kernel packages hold drivers that fit them.
  kernelPackages =
    mark: kernel:
    package mark {
      inherit kernel;
      nvidiaPackages = lib.genAttrs [ "dc_580" "legacy_580" "production" "stable" ] (
        branch: package "${mark}.nvidiaPackages.${branch}" { }
      );
    };

  formats = [
    "ini"
    "json"
    "keyValue"
    "toml"
    "yaml"
  ];
  isDarwin = lib.hasSuffix "darwin" system;

  pkgs =
    lib.genAttrs words (word: package "pkgs.${word}" { })
    // builtins.mapAttrs (_: finish) named
    // {
      # As in nixpkgs: prevents printing all of it.
      _type = "pkgs";
      inherit lib system;
      stdenv = finish (named.stdenv or { }) // {
        hostPlatform = {
          inherit system isDarwin;
          isLinux = !isDarwin;
          isx86_64 = lib.hasPrefix "x86_64" system;
          isAarch64 = lib.hasPrefix "aarch64" system;
        };
      };
      config = { };
      formats = lib.genAttrs formats format;

      writeText = written "writeText";
      writeScript = written "writeScript";
      writeShellScript = written "writeShellScript";
      writeScriptBin = written "writeScriptBin";
      writeShellScriptBin = written "writeShellScriptBin";
      writeShellApplication =
        {
          name,
          text,
          ...
        }:
        written "writeShellApplication" name text;
      writeTextFile =
        {
          name,
          text,
          ...
        }:
        written "writeTextFile" name text;
      writeTextDir = written "writeTextDir";
      runCommand =
        name: _: script:
        written "runCommand" name script;
      runCommandLocal =
        name: _: script:
        written "runCommand" name script;
      symlinkJoin = set: package "symlinkJoin ${set.name or set.pname} ${show set.paths}" { };
      buildEnv = set: package "buildEnv ${set.name} ${show set.paths}" { };
      linkFarm = name: entries: package "linkFarm ${name} ${show entries}" { };
      linuxPackages = kernelPackages "pkgs.linuxPackages" pkgs.linux;
      linuxPackages_6_18 = kernelPackages "pkgs.linuxPackages_6_18" pkgs.linux_6_18;
      linuxPackagesFor = kernel: kernelPackages "pkgs.linuxPackagesFor ${kernel}" kernel;
      linuxManualConfig = _: package "pkgs.linuxManualConfig" { };
      callPackage = path: arguments: package "callPackage ${baseNameOf path} ${show arguments}" { };
      fetchurl = { url, ... }: package "fetchurl ${url}" { };
    };
in
pkgs
