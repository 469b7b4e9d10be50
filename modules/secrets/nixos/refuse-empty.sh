# shellcheck shell=sh
# What agenix opened without a value is removed again: no service starts with it. The names are in $deployctl_secrets.
deployctl_wrong=
for deployctl_name in $deployctl_secrets; do
  deployctl_path=/etc/deployctl/secrets/$deployctl_name
  if [ -s "$deployctl_path" ]; then continue; fi
  if [ -e "$deployctl_path" ]; then
    rm -f "$(readlink -f "$deployctl_path")"
    printf 'secret `%s` is empty, so it is removed: `deployctl secret set %s` gives it a value\n' "$deployctl_name" "$deployctl_name" >&2
  else
    printf 'secret `%s` was not opened: `deployctl secret check` tells whether it is encrypted to this host\n' "$deployctl_name" >&2
  fi
  deployctl_wrong=1
done
[ -z "$deployctl_wrong" ]
