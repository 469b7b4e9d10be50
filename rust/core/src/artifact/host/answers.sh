
# --- what servers answer, and what follows from it ----------------------------------------------------------------------

# denied URL CODE
denied() {
  if [ -z "$w_credential" ]; then
    fail "\`$1\` answered $2: it wants a login" 'declare the file with a token for it as `credential`; a model may also have a licence that its page asks you to accept'
  fi
  fail "\`$1\` answered $2: the token in \`$w_credential\` does not open it" "see whether the token is valid and may read this; a model may also have a licence that its page asks you to accept"
}

# wait_as_told: for as long as `Retry-After` of the last answer says, within a bound.
waits=0
wait_as_told() {
  wa_seconds=$(sed -n 's/^[Rr][Ee][Tt][Rr][Yy]-[Aa][Ff][Tt][Ee][Rr]: *\([0-9]\{1,6\}\)[[:space:]]*$/\1/p' "$J/header" | tail -n 1)
  wa_seconds=${wa_seconds:-30}
  if [ "$wa_seconds" -gt 300 ] || [ "$((waits + wa_seconds))" -gt 900 ]; then
    fail "\`$1\` answered 429: too many requests, and wants a pause of $wa_seconds s" 'stage again later: it goes on where it was'
  fi
  waits=$((waits + wa_seconds))
  pause "$wa_seconds" "the server answered 429"
}

# pause SECONDS WHY
pause() {
  tell "wait $1 s: $2"
  write_line "$J/note" "waits $1 s: $2"
  sleep "$1"
  rm -f "$J/note"
}

# strike WHAT LIMIT: something that may pass; waits longer each time, and fails at the limit.
strikes=0
strike() {
  strikes=$((strikes + 1))
  if [ "$strikes" -ge "$2" ]; then
    fail "$1, $strikes times in a row" 'what came so far is kept: stage again when it answers'
  fi
  st_seconds=$((1 << (strikes - 1)))
  if [ "$st_seconds" -gt 30 ]; then st_seconds=30; fi
  pause "$st_seconds" "$1"
}

# judge URL STATUS: what to do about the last answer. Returns where it is to be asked again.
judge() {
  read -r ju_code _ <"$J/answer" || :
  ju_words=$(one_line "$(cat "$J/words")")
  case $2 in
    22)
      case $ju_code in
        401 | 403) denied "$1" "$ju_code" ;;
        404 | 410) fail "\`$1\` answered $ju_code: no such file" 'see whether the source still has this revision, and whether the list of files is of it' ;;
        416)
          rm -f -- "$target"
          strike "\`$1\` answered 416: it has not that many bytes" 3
          ;;
        429) wait_as_told "$1" ;;
        5??) strike "\`$1\` answered $ju_code" 5 ;;
        *) fail "\`$1\` answered $ju_code" 'this is no answer of a hub or a mirror: open the address yourself' ;;
      esac
      ;;
    # It does not continue files, so the file begins anew.
    33) rm -f -- "$target" ;;
    6 | 7 | 16 | 18 | 28 | 35 | 52 | 55 | 56 | 92) strike "the link to \`$1\` broke: $ju_words" 8 ;;
    23) fail "\`$target\` cannot be written: $ju_words" "see whether the disk is full or failing: \`df -h $w_base\`, \`dmesg\`" ;;
    47) fail "\`$1\` leads in circles: $ju_words" 'open the address yourself' ;;
    1) fail "\`$1\` leads to an address that is not HTTPS: $ju_words" 'name the source that it leads to, if you trust that' ;;
    51 | 58 | 60 | 77) fail "the certificate of \`$1\` is not accepted: $ju_words" 'see whether the clock of the host is right and ca-certificates is installed' ;;
    *) fail "curl ended with $2 at \`$1\`: $ju_words" 'try the same command on the host' ;;
  esac
}
