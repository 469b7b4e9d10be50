# Who may read which secret, in agenix's format: `agenix -e vllm-api-key.age` edits one.
# Operators read all; a host reads its own, once `deployctl adopt` has pinned its key.
let
  inherit (import ../hosts) cluster hosts;
  operators = builtins.concatMap (operator: operator.keys) (builtins.attrValues cluster.operators);
  host = name: hosts.${name}.identity.host_keys or [ ];
in
{
  "vllm-api-key.age".publicKeys = operators ++ host "cuda";
}
