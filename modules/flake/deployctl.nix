# deployctl as it is installed: with the modules of Ubuntu, for clusters that have none of their own, and with
# the probe that it brings to hosts, where that is built without another machine.
{
  lib,
  symlinkJoin,
  makeWrapper,
  runCommand,
  program,
  hostprobe ? null,
}:
let
  share = runCommand "deployctl-modules" { } ''
    mkdir -p "$out/modules"
    cp -r ${../ubuntu} "$out/modules/ubuntu"
  '';
  probe = lib.optionalString (
    hostprobe != null
  ) "--set-default DEPLOYCTL_HOSTPROBE ${hostprobe}/bin/hostprobe";
in
symlinkJoin {
  inherit (program) name meta;
  paths = [ program ];
  nativeBuildInputs = [ makeWrapper ];
  postBuild = ''
    wrapProgram "$out/bin/deployctl" --set-default DEPLOYCTL_SHARE ${share} ${probe}
  '';
}
