# --- what the controller sends ------------------------------------------------------------------------------------------

# busy: whether it is worked on. Where no unit receives, the lock tells.
busy() { runs || { [ -n "$w_upload" ] && ! (flock -n 7) 7>>"$J/lock"; }; }

# wait_for_files: ends this run, since it can only go on with files that the controller sends.
wait_for_files() {
  mv -f "$J/lacks.new" "$J/lacks"
  rm -f "$J/at"
  write_line "$J/phase" waiting
  tell 'it waits for files that the controller sends'
  exit 0
}

# to_send: what the controller is to send, as `send FROM BYTES PATH`.
to_send() {
  while read -r ts_size ts_path; do
    size_of "$into/$ts_path"
    if [ "${size:-0}" -lt "$ts_size" ]; then
      printf 'send %s %s %s\n' "${size:-0}" "$((ts_size - ${size:-0}))" "$ts_path"
    fi
  done <"$J/lacks"
}

# arrives SIZE PATH: whether the rest of $target comes next. The line before it says so: `FROM BYTES PATH`.
next_path=
arrives() {
  if [ -z "$next_path" ]; then read -r next_from next_bytes next_path <&5 || return; fi
  size_of "$target"
  [ "$next_path" = "$2" ] && [ "$next_from" = "${size:-0}" ] && [ "$((next_from + next_bytes))" = "$1" ]
}

# take_sent SIZE PATH: the bytes of $target that are missing. Where the connection ends before that, so does this run: what came
# is kept.
take_sent() {
  tell "receive $2"
  next_path=
  if [ -z "$watcher" ]; then watch_silence; fi
  write_line "$J/arrives" "$target"
  trap 'exit 0' TERM
  head -c "$next_bytes" <&5 >>"$target" 8>&- 9>&- &
  taker=$!
  wait "$taker"
  tk_status=$?
  taker=
  trap - TERM
  rm -f "$J/arrives"
  size_of "$target"
  count_fetched "$next_from" "${size:-0}"
  # Above 128, something ended it.
  if [ "$tk_status" -gt 0 ] && [ "$tk_status" -le 128 ]; then
    fail "\`$target\` cannot be written" "see whether the disk is full or failing: \`df -h $w_base\`, \`dmesg\`"
  fi
  if [ "${size:-0}" -lt "$1" ]; then
    tell 'no more came'
    exit 0
  fi
}

# watch_silence: ends this run where nothing came for 15 to 30 s. The host may never hear that a connection is cut.
taker='' watcher=''
watch_silence() {
  (
    ws_before=
    while sleep 15 && kill -0 "$$"; do
      read_line "$J/arrives"
      size_of "${line:-/}"
      if [ -n "$size" ] && [ "$line $size" = "$ws_before" ]; then kill -s TERM "$$"; fi
      ws_before="$line $size"
    done
  ) >/dev/null 2>&1 5<&- 8>&- 9>&- &
  watcher=$!
}

# stop_helpers: what runs beside this run ends with it.
stop_helpers() {
  for sh_helper in $taker $watcher $growing; do kill "$sh_helper" 2>/dev/null; done
  rm -f "$J/arrives"
}
