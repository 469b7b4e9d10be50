# Who may read which secret, in agenix's format: `agenix -e vllm-api-key.age` edits one.
# Operators can read all; a host can read its own once `deployctl adopt` has pinned its key.
let
  inherit (import ../hosts) cluster hosts;
  operators = builtins.concatMap (operator: operator.keys) (builtins.attrValues cluster.operators);
  host = name: hosts.${name}.identity.host_keys or [ ];
in
{
  "vllm-api-key.age".publicKeys = operators ++ host "cuda";
}
