
# --- roll back -------------------------------------------------------------------------------------------------------------------

# end_run: stops the processes of the apply, children included. A unit that already stops calls `recover` at its end, and
# that call must not wait for the same unit.
end_run() {
  if running; then "${manager}_stop"; fi
}

# set_failure CODE TEXT: the first reason stays.
set_failure() {
  read_line "$D/failure"
  if [ -z "$line" ]; then write_atomically "$D/failure" "$(printf '%s %s' "$1" "$2" | tr -d '\000-\037\177')"; fi
}

# roll_back CODE TEXT: under the work lock.
roll_back() {
  # Free the reserved space first. From here on nobody can confirm this apply, even if nothing can be written.
  rm -f "$D/ballast" "$D/nonce"
  set_failure "$1" "$2"
  save_phase rolling-back || rm -f "$D/deadline"
  : >"$D/left"
  journal=$(cat "$D/journal")
  (
    rolling=1
    printf '==> roll back\n'
    sweep
    sweep_accounts
    compare_paths
    . "$D/rollback.sh"
    remove_marker "$D/reboot-required"
    keep_run_sshd
    verify_paths
    verify_units
    [ -z "$leftovers" ] || exit 3
  ) >>"$D/log" 2>&1 </dev/null 9>&-
  rb_status=$?
  if [ "$rb_status" -ne 0 ] && [ "$rb_status" -ne 3 ]; then
    note_leftover "the rollback was cut off: $(last_lines)" >>"$D/log" 2>&1
  elif [ "$rb_status" -eq 3 ] && [ ! -s "$D/left" ]; then
    note_leftover "more than could be written down, see the log" >>"$D/log" 2>&1
  fi
  # What an earlier attempt had left, this one may have put back.
  read_line "$D/failure"
  case $line in
    'rollback '*'; left: '*)
      line=${line#rollback }
      line=${line%; left: *}
      write_atomically "$D/failure" "$line"
      ;;
  esac
  if [ -e "$D/packages-kept" ]; then
    rb_failure=$line
    read_line "$D/packages-kept"
    line="${rb_failure%%; packages kept*}; packages kept$line"
    write_atomically "$D/failure" "$line"
  fi
  if [ "$rb_status" -ne 0 ] || [ -s "$D/left" ]; then
    rb_left=
    while IFS= read -r rb_line; do rb_left="$rb_left, $rb_line"; done <"$D/left"
    write_atomically "$D/failure" "rollback $line; left: $(printf '%s' "${rb_left#, }" | cut -c 1-900)"
    # Where that cannot be written, the dead-man timer stays and tries it all again.
    if save_phase rollback-failed; then disarm; fi
    phase=rollback-failed
  elif ! save_phase rolled-back; then
    phase=rollback-failed
  else
    disarm
    release_lease
    printf '==> rolled back and verified\n' >>"$D/log"
  fi
}

answer_rolled_back() {
  case $phase in
    rolled-back) answer 5 ;;
    rollback-failed) answer 6 ;;
    refused) answer 9 ;;
    committed) answer 0 ;;
    *) answer 1 ;;
  esac
}

rollback() { # [--stolen | --abandon | --reason CODE TEXT]
  rb_code=requested rb_text='a rollback was requested'
  case ${1-} in
    '') ;;
    --stolen) rb_code=stolen rb_text="another apply was started with \`--steal\`" ;;
    --abandon) abandon ;;
    --reason)
      [ $# -eq 3 ] || usage
      case $2 in '' | *[!a-z-]*) usage ;; esac
      rb_code=$2 rb_text=$(one_line "$3")
      ;;
    *) usage ;;
  esac
  read_meta
  phase
  case $phase in
    committed) answer 1 ;;
    refused | rolled-back) answer_rolled_back ;;
  esac
  set_failure "$rb_code" "$rb_text"
  end_run
  lock_work 60 || answer 1
  phase
  case $phase in
    committed)
      rm -f "$D/failure"
      answer 1
      ;;
    refused | rolled-back) answer_rolled_back ;;
    staged | validated | checkpointed) refuse "$rb_code" "$rb_text" ;;
  esac
  roll_back "$rb_code" "$rb_text"
  answer_rolled_back
}

# one_line TEXT: text from other programs, in one line for the status frame.
one_line() {
  printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177' | cut -c 1-1200
}

# abandon: a person looked at what a rollback left, and accepts the host as it is. Ends the program.
abandon() {
  read_meta
  lock_work 60 || answer 1
  phase
  case $phase in
    rollback-failed) ;;
    refused | rolled-back) answer_rolled_back ;;
    *) answer 1 ;;
  esac
  read_line "$D/failure"
  write_atomically "$D/failure" "abandoned the host was taken as it is, with what the rollback could not put back: ${line#rollback }" || answer 1
  save_phase rolled-back || answer 1
  rm -f "$D/ballast" "$D/nonce"
  disarm
  release_lease
  printf '==> abandoned: the host is taken as it is\n' >>"$D/log"
  answer_rolled_back
}
