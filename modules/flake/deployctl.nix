# deployctl as it is installed: with the probe that it brings to hosts, where that is built without another
# machine.
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
