# find_way: sets $user to the account that we came by over SSH, and $way to `FROM PORT TO PORT`; both stay empty where
# we did not. They stand in the environment of the processes above us, for sudo hands them to none below. Where one of
# those has ended and left us to another, our session's first process leads on.
find_way() {
  fw_pid=$$ fw_up=0 fw_session='' fw_newline='
'
  user='' way=''
  set --
  while [ "$fw_up" -lt 24 ]; do
    if [ "$fw_pid" -le 1 ]; then
      fw_pid=${fw_session:-0} fw_session=0
      if [ "$fw_pid" -le 1 ]; then break; fi
    fi
    set -- "$@" /proc/"$fw_pid"/environ
    { IFS= read -r fw_stat </proc/"$fw_pid"/stat; } 2>/dev/null || fw_stat='(gone) X 0 0 0'
    # Behind the name: state, parent, group, session.
    fw_stat=${fw_stat##*') '}
    fw_stat=${fw_stat#* }
    fw_pid=${fw_stat%% *}
    fw_stat=${fw_stat#* }
    fw_stat=${fw_stat#* }
    fw_session=${fw_session:-${fw_stat%% *}}
    fw_up=$((fw_up + 1))
  done
  # Of all of them at once, for a process costs more than a file.
  fw_said=$fw_newline$(grep -azsH -e '^SSH_CONNECTION=' -e '^SUDO_USER=' -e '^LOGNAME=' -e '^USER=' -- "$@" |
    tr '\0\n' '\n ')$fw_newline
  for fw_file do
    case $fw_said in *"$fw_newline$fw_file:SSH_CONNECTION="*) ;; *) continue ;; esac
    for fw_name in SSH_CONNECTION SUDO_USER LOGNAME USER; do
      case $fw_said in *"$fw_newline$fw_file:$fw_name="*) ;; *) continue ;; esac
      fw_value=${fw_said#*"$fw_newline$fw_file:$fw_name="}
      fw_value=${fw_value%%"$fw_newline"*}
      if [ "$fw_name" != SSH_CONNECTION ]; then
        # shellcheck disable=SC2034 # not every caller asks for it
        user=$fw_value
        break
      fi
      way=$fw_value
    done
    break
  done
}
