# `deployctl inventory --check` as a derivation. Nothing that depends on it can be built from wrong
# facts; its log names them with file and line.
cluster: system:
import ./with-repository.nix cluster system "inventory-check" (deployctl: ''
  ${deployctl} inventory --check
  touch "$out"
'')
