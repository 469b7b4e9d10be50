
# --- validation: whether the account that we came by would still get in, and become root -----------------------------

# came_by: asks about the new files who we are, in $user, $from, $to and $port; fails where we did not come over SSH.
came_by() {
  [ -d /proc/self ] || return 1
  find_way
  set -- $way
  from=${1-} to=${3-} port=${4-}
  [ -n "$user" ] && [ -n "$port" ]
}

# names_us PATTERN OTHERWISE: whether an entry of AllowUsers or DenyUsers is about us. What it says of networks is not
# worked out: then OTHERWISE is the answer.
# shellcheck disable=SC2254 # patterns they are
names_us() {
  case $user in ${1%@*}) ;; *) return 1 ;; esac
  case $1 in
    *@*/*) [ "$2" = yes ] ;;
    *@*) case $from in ${1##*@}) ;; *) return 1 ;; esac ;;
  esac
}

# check_login_with_sshd: what sshd makes of the merged files for a login like ours.
check_login_with_sshd() {
  ws_sshd=$(command -v sshd || command -v /usr/sbin/sshd) || return 0
  came_by || return 0
  begin "ask sshd about $user"
  ws_made=
  if [ ! -d /run/sshd ] && mkdir -m 0755 /run/sshd; then ws_made=1; fi
  ws_said=$("$ws_sshd" -T -C "user=$user,host=$from,addr=$from,laddr=$to,lport=$port" </dev/null)
  ws_status=$?
  if [ -n "$ws_made" ]; then rmdir /run/sshd; fi
  if [ "$ws_status" -ne 0 ]; then invalid validate "\`sshd -T\` failed with $ws_status: $(last_lines)"; fi
  ws_against='' ws_listed='' ws_named=''
  set -f
  while read -r ws_key ws_rest; do
    case $ws_key:$ws_rest in
      pubkeyauthentication:no | authorizedkeysfile:none) ws_against="$ws_key $ws_rest" ;;
      permitrootlogin:no | permitrootlogin:forced-commands-only)
        if [ "$user" = root ]; then ws_against="$ws_key $ws_rest"; fi
        ;;
      authenticationmethods:*)
        case " $ws_rest " in *' any '* | *' publickey '*) ;; *) ws_against="$ws_key $ws_rest" ;; esac
        ;;
      allowusers:*)
        ws_listed="$ws_listed $ws_rest"
        for ws_entry in $ws_rest; do if names_us "$ws_entry" yes; then ws_named=1; fi; done
        ;;
      denyusers:*)
        for ws_entry in $ws_rest; do if names_us "$ws_entry" no; then ws_against="$ws_key $ws_entry"; fi; done
        ;;
    esac
  done <<SAID
$ws_said
SAID
  set +f
  if [ -n "$ws_listed" ] && [ -z "$ws_named" ]; then ws_against="allowusers$ws_listed"; fi
  if [ -n "$ws_against" ]; then
    invalid validate "sshd would no longer let \`$user\` in from $from: \`sshd -T -C user=$user,addr=$from\` says \`$ws_against\`"
  fi
}

# check_root_with_sudo: what sudo makes of the merged files for us. Without a password is tried, with one cannot be.
check_root_with_sudo() {
  if ! came_by || [ "$user" = root ]; then return 0; fi
  if ! command -v sudo >/dev/null || ! command -v setpriv >/dev/null; then return 0; fi
  begin "ask sudo about $user"
  wu_group=$(id -g -- "$user") || return 0
  if setpriv --reuid="$user" --regid="$wu_group" --init-groups -- sudo -k -n -- true </dev/null; then return 0; fi
  # It holds for root's own questions, too, so the files are asked.
  if grep -Eqs "^[[:space:]]*Defaults(:$user)?[[:space:]](.*[[:space:],])?requiretty" /etc/sudoers /etc/sudoers.d/*; then
    invalid validate "sudo would want a terminal of \`$user\` (\`Defaults requiretty\`), and an apply has none"
  fi
  if ! sudo -n -l -U "$user" -- /bin/sh </dev/null >/dev/null; then
    invalid validate "sudo would no longer let \`$user\` become root: \`sudo -l -U $user /bin/sh\` says no"
  fi
  # `operator L 2026-11-26 …`: locked, so there is no password to give.
  wu_state=$(passwd -S -- "$user" 2>/dev/null)
  case $wu_state in
    "$user L "* | "$user LK "*)
      invalid validate "sudo would ask \`$user\` for a password, and the account has none"
      ;;
  esac
}
