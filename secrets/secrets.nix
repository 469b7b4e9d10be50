# Who may read which secret, in agenix's format, from the facts in hosts/: operators can read all, a host its own once
# `deployctl adopt` has pinned its key. `deployctl secret` needs no such file; agenix does.
let
  inherit (import ../hosts) cluster hosts;
  isOf =
    kinds: key:
    builtins.any (kind: builtins.substring 0 (builtins.stringLength kind) key == kind) kinds;
  operators = builtins.concatMap (
    operator:
    builtins.filter (isOf [
      "ssh-ed25519 "
      "ssh-rsa "
    ]) operator.keys
    ++ operator.age_keys or [ ]
  ) (builtins.attrValues cluster.operators);
  host = name: builtins.filter (isOf [ "ssh-ed25519 " ]) (hosts.${name}.identity.host_keys or [ ]);
in
builtins.listToAttrs (
  map (name: {
    name = "${name}.age";
    value.publicKeys = operators ++ builtins.concatMap host cluster.secrets.${name}.for;
  }) (builtins.attrNames (cluster.secrets or { }))
)
