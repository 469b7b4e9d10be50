# The toolkit of the declared version, for everything that is built with CUDA.
{
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  facts = host.cuda;
  set = "cudaPackages_${lib.replaceStrings [ "." ] [ "_" ] facts.version}";
  cuda =
    pkgs.${set} or (throw ''
      hosts/${hostName}/default.nix: `cuda.version` is ${facts.version}, and this nixpkgs has no ${set};
      set a version that it has, such as 12.6, 12.8 or 12.9
    '');
  declares = prefix: lib.any (lib.hasPrefix prefix) (lib.attrNames facts.packages);
in
{
  config = lib.mkIf (host ? cuda) {
    # One version for all packages: what is built with different ones does not fit together.
    nixpkgs.overlays = [ (final: _: { cudaPackages = final.${set}; }) ];
    nixpkgs.config = {
      allowUnfree = true;
      cudaSupport = true;
    }
    // lib.optionalAttrs (host ? nvidia) {
      cudaCapabilities = [ host.nvidia.gpu.compute_capability ];
      cudaForwardCompat = false;
    };

    environment.systemPackages =
      lib.optional (declares "cuda-toolkit") cuda.cudatoolkit
      ++ lib.optional (declares "cuda-nsight-systems") cuda.nsight_systems
      ++ lib.optional (declares "cuda-nsight-compute") cuda.nsight_compute
      ++ lib.optional (declares "cudnn9") cuda.cudnn
      ++ lib.optional (declares "libnvinfer") cuda.tensorrt;
  };
}
