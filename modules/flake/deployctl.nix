# deployctl as it is installed: with the modules of Ubuntu, for clusters that have none of their own.
{
  symlinkJoin,
  makeWrapper,
  runCommand,
  program,
}:
let
  share = runCommand "deployctl-modules" { } ''
    mkdir -p "$out/modules"
    cp -r ${../ubuntu} "$out/modules/ubuntu"
  '';
in
symlinkJoin {
  inherit (program) name meta;
  paths = [ program ];
  nativeBuildInputs = [ makeWrapper ];
  postBuild = ''
    wrapProgram "$out/bin/deployctl" --set-default DEPLOYCTL_SHARE ${share}
  '';
}
