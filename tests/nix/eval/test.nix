# The names of the cases in which the evaluator of modules differs from nixpkgs' evaluator: [ ].
let
  lib = import ../../../modules/evaluate/lib.nix;
  pkgs = import ../../../modules/evaluate/pkgs.nix {
    names = import ./packages.nix;
    inherit lib;
    system = "x86_64-linux";
  };
  print = import ../../../modules/evaluate/print.nix lib;
  evaluate =
    modules:
    import ../../../modules/evaluate/evaluate.nix {
      inherit lib modules;
      arguments = { inherit pkgs; };
      stubs.networking.hostName = "stub";
      isLines = path: path == [ "text" ];
    };
  set = modules: (evaluate modules).set;
  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  cases = {
    "attribute sets merge, lists follow one another" =
      set [
        {
          a.b = 1;
          l = [ 1 ];
        }
        {
          a.c = 2;
          l = [ 2 ];
        }
      ] == {
        a = {
          b = 1;
          c = 2;
        };
        l = [
          1
          2
        ];
      };
    "the strongest definition wins" =
      set [
        { a = lib.mkDefault 1; }
        { a = 2; }
      ] == {
        a = 2;
      }
      &&
        set [
          { a = lib.mkForce 3; }
          { a = 2; }
        ] == {
          a = 3;
        };
    "a priority reaches into a set" =
      set [
        { a = lib.mkDefault { b = 1; }; }
        { a.b = 2; }
      ] == {
        a.b = 2;
      };
    "a conflict is an error" = fails (set [
      { a = 1; }
      { a = 2; }
    ]);
    "equal definitions are none" =
      set [
        { a = 1; }
        { a = 1; }
      ] == {
        a = 1;
      };
    "lines are joined in order" =
      set [
        { text = lib.mkAfter "c"; }
        { text = "b"; }
        { text = lib.mkBefore "a"; }
      ] == {
        text = "a\nb\nc";
      };
    "a false condition sets nothing" = set [ (lib.mkIf false { a = throw "forced"; }) ] == { };
    "a false condition inside leaves nothing behind" =
      set [ { a.b = lib.mkIf false 1; } ] == { } && set [ { a = { }; } ] == { a = { }; };
    "mkMerge holds conditions" =
      set [
        (lib.mkMerge [
          { l = [ 1 ]; }
          (lib.mkIf true { l = [ 2 ]; })
          (lib.mkIf false { l = [ 3 ]; })
        ])
      ] == {
        l = [
          1
          2
        ];
      };
    "a condition may read what another module sets" =
      set [
        ({ config, ... }: lib.mkIf config.on { a = 1; })
        { on = true; }
      ] == {
        a = 1;
        on = true;
      };
    "a condition may read its neighbour" =
      set [
        (
          { config, ... }:
          {
            a.b = lib.mkIf config.a.on 1;
            a.on = true;
          }
        )
      ] == {
        a = {
          b = 1;
          on = true;
        };
      };
    "imports are followed" =
      set [
        {
          imports = [
            { a = 1; }
            (
              { ... }:
              {
                b = 2;
              }
            )
          ];
        }
      ] == {
        a = 1;
        b = 2;
      };
    "defaults and stubs are read, not shown" =
      set [
        (
          { config, ... }:
          {
            options.mine.depth = lib.mkOption {
              default = 3;
              type = lib.types.int;
            };
            config.a = "${config.networking.hostName} ${toString config.mine.depth}";
          }
        )
      ] == {
        a = "stub 3";
      };
    "a submodule gets its defaults" =
      (evaluate [
        {
          options.mine = lib.mkOption {
            type = lib.types.attrsOf (
              lib.types.submodule {
                options.depth = lib.mkOption {
                  default = 3;
                  type = lib.types.int;
                };
              }
            );
          };
          config.mine.x = { };
        }
      ]).config.mine.x.depth == 3;
    "settings beside config are an error" = fails (set [
      {
        config.a = 1;
        b = 2;
      }
    ]);
    "packages are marks" =
      "${pkgs.chrony}/bin/chronyd" == "<pkgs.chrony>/bin/chronyd"
      && builtins.toJSON [ pkgs.cudaPackages_12_6.cudnn ] == ''["<pkgs.cudaPackages_12_6.cudnn>"]'';
    "what is written keeps its text" =
      print { a = pkgs.writeText "n" "x\ny\n"; } == ''
        {
          "a": {
            "lines": [
              "<writeText n",
              "x",
              "y",
              ">"
            ]
          }
        }
      '';
    "numbers, quotes and empty things are printed" =
      print {
        a = [ ];
        b = { };
        c = ''"'';
        d = null;
      } == ''
        {
          "a": [],
          "b": {},
          "c": "\"",
          "d": null
        }
      '';
    "text is quoted for a shell" =
      lib.escapeShellArgs [
        "a"
        "b c"
        "it's"
        ""
      ] == "a 'b c' 'it'\\''s' ''";
    "text is split" =
      lib.splitString "." "a.b" == [
        "a"
        "b"
      ]
      && lib.trim "  a b \n" == "a b"
      && lib.toInt "26" == 26;
  };
in
builtins.filter (name: !cases.${name}) (builtins.attrNames cases)
