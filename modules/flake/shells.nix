# devShells.<system>: the tools to work on deployctl and to run its tests.
{ inputs, ... }:
system:
let
  pkgs = inputs.nixpkgs.legacyPackages.${system};
in
{
  default = pkgs.mkShell {
    packages = with pkgs; [
      cargo
      cargo-deny
      cargo-insta
      cargo-nextest
      clippy
      dash
      git
      jq
      nixfmt
      openssh
      python3
      rust-analyzer
      rustc
      rustfmt
      shellcheck
    ];
  };
}
