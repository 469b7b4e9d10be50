# The inventory, version 1: cluster.nix and every folder here. Plain data, from builtins alone:
#
#   nix eval --json --file hosts
import ../modules/flake/inventory.nix ./.
