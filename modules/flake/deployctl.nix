# deployctl as it is installed: with the probe that it copies to hosts, if this machine can build the
# probe.
{
  lib,
  symlinkJoin,
  makeWrapper,
  program,
  hostprobe ? null,
}:
let
  probe = lib.optionalString (
    hostprobe != null
  ) "--set-default DEPLOYCTL_HOSTPROBE ${hostprobe}/bin/hostprobe";
in
symlinkJoin {
  inherit (program) name meta;
  paths = [ program ];
  nativeBuildInputs = [ makeWrapper ];
  postBuild = ''
    wrapProgram "$out/bin/deployctl" ${probe}
  '';
}
