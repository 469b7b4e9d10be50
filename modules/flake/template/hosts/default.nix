# The inventory: cluster.nix and every folder here. Plain data; nothing is fetched to read it:
#
#   nix eval --json --file hosts
import ./inventory.nix ./.
