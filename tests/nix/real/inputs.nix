# The flake's outputs, its inputs taken from folders as they are: without fetching, locking or copying.
let
  folder = name: /srv + "/${name}";
  from =
    name: inputs:
    let
      self = (import (folder name + "/flake.nix")).outputs (inputs // { inherit self; }) // {
        outPath = toString (folder name);
        lastModifiedDate = "20260101000000";
      };
    in
    self;
  inputs = {
    nixpkgs = from "nixpkgs" { };
    disko.nixosModules.disko = folder "disko" + "/module.nix";
    agenix = {
      nixosModules.default = folder "agenix" + "/modules/age.nix";
      darwinModules.default = folder "agenix" + "/modules/age.nix";
    };
    nix-darwin = from "nix-darwin" { inherit (inputs) nixpkgs; };
    treefmt-nix = from "treefmt-nix" { inherit (inputs) nixpkgs; };
  };
in
(import ../../../flake.nix).outputs inputs
