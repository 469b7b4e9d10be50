# What a concern's module sets on example hosts, as `deployctl concern test` asks for it.
#
#   module      its file
#   platform    nixos or darwin
#   question    a file: { words = names that are packages; inventories = [ … ]; }, each with one host `example`
{
  module,
  platform,
  question,
}:
let
  lib = import ./lib.nix;
  print = import ./print.nix lib;
  asked = lib.importJSON question;

  set =
    inventory:
    let
      hostName = "example";
      host = inventory.hosts.${hostName};
      pkgs = import ./pkgs.nix {
        inherit lib;
        inherit (asked) words;
        system =
          if platform == "darwin" then "${host.architecture}-darwin" else "${host.architecture}-linux";
      };
      evaluated = import ./evaluate.nix {
        inherit lib;
        modules = [ module ];
        arguments = {
          inherit host hostName pkgs;
          inherit (inventory) cluster hosts;
          secretsFolder = "/secrets";
        };
        stubs = (import ./stubs.nix { inherit host pkgs; }).${platform};
        # Which options hold lines is nixpkgs' to say; several texts at one place of one module are meant so.
        isLines = _: true;
      };
    in
    lib.fromJSON (print evaluated.set);
in
map set asked.inventories
