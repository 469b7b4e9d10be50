# `deployctl secret check` as a derivation: files and keys are compared without any private key. No system depends on
# it, for it fails when a value has become too old, too.
cluster: system:
let
  secrets = cluster.folder + "/../secrets";
in
import ./with-repository.nix cluster system "secret-check" (deployctl: ''
  ${if builtins.pathExists secrets then "ln -s ${secrets} repo/secrets" else ""}
  ${deployctl} secret check
  touch "$out"
'')
