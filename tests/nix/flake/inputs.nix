# Stand-ins for the flake's inputs. They keep the contracts of the real ones that our wiring relies on.
# Their derivations are real: those for this computer's system can be built.
#
#   deployctl   the program that `rust/package.nix` would build
{ deployctl }:
let
  lib = import ../../../modules/evaluate/lib.nix;
  print = import ../../../modules/evaluate/print.nix lib;

  # builds SYSTEM NAME ENVIRONMENT SCRIPT
  builds =
    system: name: environment: script:
    derivation (
      environment
      // {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          ''
            for input in ''${nativeBuildInputs:-}; do PATH=$input/bin:$PATH; done
            ${script}
          ''
        ];
        PATH = "/usr/bin:/bin";
      }
    );

  pkgsOf =
    system:
    let
      marks = import ../../../modules/evaluate/pkgs.nix {
        inherit lib system;
        names = import ../eval/packages.nix;
      };
      # A package that is only named.
      named = name: builds system name { } "touch $out";
      pkgs =
        marks
        // lib.genAttrs [
          "bash"
          "cargo"
          "cargo-deny"
          "cargo-insta"
          "cargo-nextest"
          "clippy"
          "dash"
          "git"
          "installShellFiles"
          "jq"
          "makeWrapper"
          "nixfmt"
          "nixos-install-tools"
          "openssh"
          "python3"
          "rust-analyzer"
          "rustc"
          "rustfmt"
          "shellcheck"
        ] named
        // {
          inherit stdenv;
          pkgsStatic = pkgs;
          lib = lib // {
            fileset = {
              unions = builtins.concatMap (
                file:
                assert builtins.pathExists file;
                [ file ]
              );
              toSource =
                { root, fileset }:
                assert builtins.pathExists root;
                {
                  files = lib.toList fileset;
                  outPath = toString fileset;
                };
            };
            licenses = lib.genAttrs [ "asl20" "mit" ] (name: name);
            platforms = lib.genAttrs [ "unix" "linux" ] (name: [ name ]);
          };
          callPackage =
            file: arguments:
            let
              function = import file;
            in
            function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // arguments);
          runCommand = builds system;
          # As in nixpkgs: one folder of links, then `postBuild` runs there.
          symlinkJoin =
            {
              name,
              paths,
              nativeBuildInputs,
              postBuild,
              meta,
            }:
            builds system name { inherit paths nativeBuildInputs; } ''
              wrapProgram() {
                program=$(readlink -f "$1")
                rm "$1"
                printf '#!/bin/sh\n%s="''${%s-%s}" exec %s "$@"\n' "$3" "$3" "$4" "$program" >"$1"
                sed -i '2s/^/export /; 2s/ exec /; exec /' "$1"
                chmod +x "$1"
              }
              mkdir -p $out/bin
              for path in $paths; do ln -s $path/bin/* $out/bin; done
              ${postBuild}
            '';
          writeShellApplication =
            {
              name,
              text,
              runtimeInputs ? [ ],
            }:
            builds system name { inherit text runtimeInputs; } ''
              mkdir -p $out/bin
              printf '#!/bin/sh\n%s' "$text" >$out/bin/${name}
              chmod +x $out/bin/${name}
            '';
          mkShell = { packages }: builds system "shell" { inherit packages; } "touch $out";
          rustPlatform.buildRustPackage =
            attributes:
            assert builtins.pathExists attributes.cargoLock.lockFile;
            builds system "${attributes.pname}-${attributes.version}"
              {
                inherit (attributes)
                  cargoBuildFlags
                  cargoTestFlags
                  doCheck
                  nativeBuildInputs
                  postInstall
                  ;
                described = builtins.toJSON attributes.meta;
                source = toString attributes.src;
              }
              ''
                mkdir -p $out/bin
                ln -s ${deployctl} $out/bin/deployctl
              ''
            // {
              files = map toString attributes.src.files;
            };
        };
      stdenv = marks.stdenv // {
        buildPlatform.canExecute = _: true;
      };
    in
    pkgs;

  # What all modules set together, and the derivations that are made from it. Each contains its settings
  # as text, so that everything is evaluated, and depends on what the real one depends on.
  systemOf =
    kind:
    {
      modules,
      specialArgs ? { },
    }:
    let
      host = specialArgs.host or { };
      pkgs = pkgsOf set.nixpkgs.hostPlatform;
      inherit
        (import ../../../modules/evaluate/evaluate.nix {
          inherit lib modules;
          arguments = specialArgs // {
            inherit pkgs;
            modulesPath = ./modules;
          };
          stubs = (import ../../../modules/evaluate/stubs.nix { inherit host pkgs; }).${kind};
          isLines = import ../eval/lines.nix kind;
        })
        set
        ;
      make = name: environment: builds set.nixpkgs.hostPlatform name environment "printenv >$out";
      text = value: builtins.unsafeDiscardStringContext (print value);
      name = specialArgs.hostName or "installer";
    in
    {
      nixos = rec {
        toplevel = make "nixos-system-${name}" {
          said = text set;
          passedChecks = builtins.concatStringsSep " " set.system.checks;
        };
        diskoImages = make "${name}-disko-images" {
          inherit toplevel;
          devices = text set.disko.devices;
        };
        destroyFormatMount = make "disko-destroy-format-mount" { devices = text set.disko.devices; } // {
          meta.mainProgram = "disko-destroy-format-mount";
        };
        images.linode = make "${name}-linode-image" {
          inherit toplevel;
          said = text set.image.modules.linode;
        };
        isoImage = make "${name}-iso" {
          said = text set;
          inherit (set.isoImage) storeContents;
          packages = set.environment.systemPackages;
        };
      };
      darwin.toplevel = make "darwin-system-${name}" (
        { said = text set; } // set.system.systemBuilderArgs
      );
    }
    .${kind}
    // {
      kernel = make "linux-${name}" { said = text (set.boot.kernelPatches or [ ]); };
    };
in
{
  nixpkgs = {
    legacyPackages = lib.genAttrs [
      "x86_64-linux"
      "aarch64-linux"
      "aarch64-darwin"
    ] pkgsOf;
    lib = lib // {
      nixosSystem =
        arguments:
        let
          build = systemOf "nixos" arguments;
        in
        {
          config = {
            system = { inherit build; };
            boot.kernelPackages = { inherit (build) kernel; };
          };
        };
    };
  };

  nix-darwin.lib.darwinSystem =
    arguments:
    let
      build = systemOf "darwin" arguments;
    in
    {
      config.system = { inherit build; };
      system = build.toplevel;
    };

  disko.nixosModules.disko = { };
  agenix = {
    nixosModules.default = { };
    darwinModules.default = { };
  };

  treefmt-nix.lib.evalModule =
    pkgs: file:
    let
      configuration = import file;
    in
    assert configuration.projectRootFile == "flake.nix";
    {
      config.build = {
        wrapper = pkgs.runCommand "treefmt" { said = builtins.toJSON configuration.programs; } "touch $out";
        check = source: pkgs.runCommand "treefmt-check" { source = toString source; } "touch $out";
      };
    };
}
