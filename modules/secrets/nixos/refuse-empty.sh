# shellcheck shell=sh
# A secret without a value fails the activation, and its file is removed: no service starts with it. The names are in
# $deployctl_secrets.
deployctl_wrong=
# shellcheck disable=SC2154 # guard.nix writes the names above this text
for deployctl_name in $deployctl_secrets; do
  deployctl_path=/etc/deployctl/secrets/$deployctl_name
  if [ -s "$deployctl_path" ]; then continue; fi
  rm -f "$(readlink -f "$deployctl_path")"
  printf 'secret `%s` has no value on this host: it did not open, or is empty; `sh /etc/deployctl/preflight` on the host tells which, and `deployctl secret set %s` gives it a value\n' \
    "$deployctl_name" "$deployctl_name" >&2
  deployctl_wrong=1
done
[ -z "$deployctl_wrong" ]
