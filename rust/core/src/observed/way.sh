# find_way: sets $user to the account that we came by over SSH, and $way to `FROM PORT TO PORT`; both stay empty where
# we did not. They stand in the environment of the processes above us, for sudo hands them to none below. Where one of
# those has ended and left us to another, our session's first process leads on.
find_way() {
  fw_pid=$$ fw_up=0 fw_session='' user='' way=''
  while [ "$fw_up" -lt 24 ]; do
    if [ "$fw_pid" -le 1 ]; then
      fw_pid=${fw_session:-0} fw_session=0
      if [ "$fw_pid" -le 1 ]; then break; fi
    fi
    fw_said=$({ tr '\0\n' '\n ' </proc/"$fw_pid"/environ; } 2>/dev/null) || :
    fw_said="
$fw_said
"
    case $fw_said in *"
SSH_CONNECTION="*)
      way=${fw_said#*"
SSH_CONNECTION="}
      way=${way%%"
"*}
      for fw_name in SUDO_USER LOGNAME USER; do
        case $fw_said in *"
$fw_name="*)
          user=${fw_said#*"
$fw_name="}
          user=${user%%"
"*}
          break
          ;;
        esac
      done
      break
      ;;
    esac
    { IFS= read -r fw_stat </proc/"$fw_pid"/stat; } 2>/dev/null || fw_stat='(gone) X 0 0 0'
    # shellcheck disable=SC2086 # words: state, parent, group, session
    set -- ${fw_stat##*) }
    fw_pid=$2 fw_session=${fw_session:-$4}
    fw_up=$((fw_up + 1))
  done
}
