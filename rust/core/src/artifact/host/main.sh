
main() {
  if [ "$(id -u)" != 0 ]; then
    printf 'stage.sh needs root\n' >&2
    exit 2
  fi
  verb=${1-}
  case $verb in
    start | status | receive | run) read_wanted ;;
    gc) shift ;;
    *)
      printf 'usage: stage.sh start | status | receive | run | gc [--yes]\n' >&2
      exit 2
      ;;
  esac
  trap '' HUP PIPE
  case $verb in gc) gc "$@" ;; *) "$verb" ;; esac
}

main "$@"
exit
