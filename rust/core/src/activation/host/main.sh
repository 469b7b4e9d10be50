
# --- main --------------------------------------------------------------------------------------------------------------------------

usage() {
  printf 'usage: host.sh start ID [--steal] | run ID | status [ID [OFFSET]] [--frame] [--extend SECONDS] | confirm ID | rollback [ID] [--reason CODE TEXT | --abandon] | recover ID|--boot\n' >&2
  exit 2
}

# enter: checks where this runs, and sets PATH.
enter() {
  # A host of NixOS has its tools in the system. The ones of macOS are not GNU's, so there the system's come first.
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  main_nix=$roots/pending/sw/bin:/run/current-system/sw/bin:$roots/previous/sw/bin:/nix/var/nix/profiles/default/bin
  if [ "$manager" = launchd ]; then PATH=$main_nix:$PATH; else PATH=$PATH:$main_nix; fi
  export PATH
  if [ -n "$ROOT" ] || [ "$(id -u)" != 0 ]; then
    printf 'host.sh needs root\n' >&2
    exit 2
  fi
}

main() {
  choose_manager
  enter
  cd "${ROOT:-/}" || exit 2
  [ $# -gt 0 ] || usage
  verb=$1
  shift
  case $verb in start | run | status | confirm | rollback | recover) ;; *) usage ;; esac
  case $verb:${1-} in
    status: | status:--* | rollback: | rollback:--* | recover:--boot)
      # Without an id: the apply that has the lease; for status else the last one.
      if read_lease; then
        main_id=$lease_apply
      else
        read_line "$S/last"
        main_id=$line
        if [ "$verb" = rollback ]; then
          printf 'nothing is open, so there is nothing to roll back\n' >&2
          find_apply "$main_id" || D=
          answer 1
        fi
      fi
      if [ "${1-}" = --boot ]; then
        shift
        boot_mode=1
      fi
      if [ -z "$main_id" ] || ! find_apply "$main_id"; then
        D=
        if [ "$verb" = status ]; then status "$@"; fi
        frame 0
        exit 0
      fi
      ;;
    *)
      if ! find_apply "${1-}"; then
        D=
        if [ "$verb" = status ] && [ $# -eq 1 ]; then
          printf 'This host has no apply %s.\n' "$1"
          exit 1
        fi
        answer 1
      fi
      shift
      ;;
  esac
  # A signal from a broken connection must not leave anything half done.
  if [ "$verb" != status ]; then trap '' HUP PIPE; fi
  # Each apply is worked on by the program it came with.
  if [ "$verb" != status ] && [ "$0" != "$D/host.sh" ] && [ -f "$D/host.sh" ]; then
    if [ -n "$boot_mode" ]; then set -- --boot-of; fi
    exec sh "$D/host.sh" "$verb" "$ID" "$@"
  fi
  if [ "${1-}" = --boot-of ]; then
    shift
    boot_mode=1
  fi
  "$verb" "$@"
}
