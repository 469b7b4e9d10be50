# Our modules, one at a time, on every host that they are for:
#
#   goldens    platform → HOST.json → text, for `nix eval --write-to`
#   printed    platform → host → concern → text
#   breaches   where they leave the contract: texts
#   one        platform → host → concern → what that module sets
import ./modules.nix { modulesLib = import ../../../modules/evaluate/lib.nix; }
