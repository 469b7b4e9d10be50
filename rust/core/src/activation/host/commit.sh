
# --- confirm -------------------------------------------------------------------------------------------------------------------

confirm() {
  IFS= read -r cf_given || :
  read_meta
  phase
  generation
  if [ "$phase" = committed ] && [ "$generation" -gt "$m_base" ]; then answer 0; fi
  lock_work 30 || answer 1
  phase
  case $phase in
    committed) ;;
    activated)
      read_line "$D/nonce"
      if [ -z "$line" ] || [ "$line" != "$cf_given" ]; then answer 1; fi
      if ! same_boot; then
        roll_back interrupted "the host has booted since it was activated"
      elif ! time_left || [ "$left" -le 0 ]; then
        roll_back deadline "confirmed too late"
      elif ! prepare_commit; then
        undo_prepare
        read_line "$D/why"
        roll_back "${line%% *}" "${line#* }"
      elif ! save_phase committed; then
        undo_prepare
        roll_back space "the commit cannot be written"
      fi
      ;;
  esac
  case $phase in
    committed) finish_commit || answer 1 ;;
    rolled-back) answer 5 ;;
    rollback-failed) answer 6 ;;
    refused) answer 9 ;;
    *) answer 1 ;;
  esac
  answer 0
}

# prepare_commit: writes all that the commit needs, while it can still be rolled back. Fails with the reason in `why`.
prepare_commit() {
  next=$((m_base + 1))
  rm -f "$D/why"
  if [ -e "$S/generations/$next" ] || [ -h "$S/generations/$next" ]; then
    { printf 'layout there is a generation %s already, which this is not\n' "$next" >"$D/why"; } 2>/dev/null
    return 1
  fi
  # What a commit left that was cut off before it was one.
  rm -rf "$S/original/$next"
  (
    . "$D/commit.sh"
    originals && mkdir -p "$S/generations" && write_atomically "$D/id" "$ID"
  ) >>"$D/log" 2>&1 9>&- && return 0
  # Room for the reason. The rollback would do that anyway.
  rm -f "$D/ballast"
  read_line "$D/why"
  if [ -n "$line" ]; then
    { printf 'step %s\n' "$line" >"$D/why"; } 2>/dev/null
    return 1
  fi
  { printf 'space the records of the commit cannot be written: %s\n' "$(last_lines)" >"$D/why"; } 2>/dev/null
  return 1
}

undo_prepare() {
  rm -rf "$S/original/$next" "$S"/original/*.new "$D/id"
}

# finish_commit: what follows from phase `committed`; again as often as it is cut off.
finish_commit() {
  next=$((m_base + 1))
  case $D in
    "$S"/applies/*)
      rm -f "$D/ballast"
      if [ -e "$S/generations/$next" ] || [ -h "$S/generations/$next" ]; then
        printf 'there is a generation %s already, which this is not\n' "$next" >>"$D/log"
        return 1
      fi
      (
        . "$D/commit.sh"
        originals && keep_originals && write_atomically "$D/id" "$ID" && mkdir -p "$S/generations"
      ) >>"$D/log" 2>&1 9>&- || return 1
      (settle_reboot) >>"$D/log" 2>&1 9>&- || :
      rm -f "$D/nonce" "$D"/.[a-z]* "$D/now" "$D/found" "$D/committing"
      # The dead-man timer may have recorded a failure too late.
      rm -f "$D/failure"
      replace "$D" "$S/generations/$next" 2>>"$D/log" || return 1
      D=$S/generations/$next
      flush "$S/generations" "$S/applies"
      ;;
  esac
  generation
  if [ "$generation" -lt "$next" ]; then write_atomically "$S/generation" "$next" || return 1; fi
  disarm
  release_lease
}
