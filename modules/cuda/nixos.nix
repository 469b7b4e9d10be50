# The toolkit in the declared version, for everything that is built with CUDA.
{
  config,
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  facts = host.cuda;
  say = {
    facts = "hosts/${hostName}/default.nix";
    configuration = "hosts/${hostName}/configuration.nix";
  };

  # nixpkgs keeps the names of versions that it removed, and throws where one is used.
  has = pkgs: set: pkgs ? ${set} && (builtins.tryEval pkgs.${set}).success;
  set = "cudaPackages_${lib.replaceStrings [ "." ] [ "_" ] facts.version}";
  versions = map (lib.replaceStrings [ "cudaPackages_" "_" ] [ "" "." ]) (
    lib.filter (name: lib.match "cudaPackages_[0-9]+_[0-9]+" name != null && has pkgs name) (
      lib.attrNames pkgs
    )
  );
  # Also called on the package set of an overlay: the first use reports the error.
  cudaOf =
    pkgs:
    if has pkgs set then
      pkgs.${set}
    else
      throw ''
        ${say.facts}: `cuda.version` is ${facts.version}, and this nixpkgs has no ${set};
        set one of ${toString versions}
      '';
  cuda = cudaOf pkgs;

  declares = prefix: lib.any (lib.hasPrefix prefix) (lib.attrNames facts.packages);
  # Libraries for /run/current-system/sw/lib are in a separate output.
  packages =
    lib.optional (declares "cuda-toolkit") cuda.cudatoolkit
    ++ lib.optional (declares "cuda-nsight-systems") cuda.nsight_systems
    ++ lib.optional (declares "cuda-nsight-compute") cuda.nsight_compute
    ++ lib.optional (declares "cudnn9") (lib.getLib cuda.cudnn)
    ++ lib.optional (declares "libnvinfer") (lib.getLib cuda.tensorrt)
    ++ lib.optional (declares "libnvinfer-bin") (lib.getBin cuda.tensorrt);

  vulnerable = import ./nixos/vulnerable.nix {
    accepted = facts.accepted_vulnerabilities or { };
    inherit
      config
      lib
      packages
      say
      ;
  };
in
{
  config = lib.mkIf (host ? cuda) {
    inherit (vulnerable) assertions warnings;

    # One version for all packages: builds with different versions do not work together.
    nixpkgs.overlays = [ (final: _: { cudaPackages = cudaOf final; }) ];
    nixpkgs.config = {
      allowUnfree = true;
      allowInsecurePredicate = vulnerable.predicate;
      cudaSupport = true;
    }
    // lib.optionalAttrs (host ? nvidia) {
      cudaCapabilities = [ host.nvidia.gpu.compute_capability ];
      cudaForwardCompat = false;
    };

    environment.systemPackages = packages;
  };
}
