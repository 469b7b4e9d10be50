# `deployctl render` as a derivation: the files of one Ubuntu host.
cluster: system: name:
import ./with-repository.nix cluster system "${name}-rendered" (deployctl: ''
  ${deployctl} render --out rendered ${name}
  mv rendered/${name} "$out"
'')
