# Our modules, one at a time, on every host that they are for:
#
#   goldens    { nixos-cuda-time = text; … }, for `nix eval --write-to`
#   breaches   where they leave the contract: texts
#   one        platform → host → concern → what that module sets
import ./modules.nix { modulesLib = import ./lib.nix; }
