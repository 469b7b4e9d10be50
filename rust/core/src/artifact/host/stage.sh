
# --- one job ------------------------------------------------------------------------------------------------------------

# start: on its own, at low priority, bound to no connection.
start() {
  if ! has_tools; then
    without_tools deny
  elif [ -d "$whole" ]; then
    check_release
  elif ! busy; then
    rm -f "$J/failure" "$J/note" "$J/at"
    write_line "$J/phase" running
    st_words=$("${manager}_launch" 2>&1) || {
      # Another controller may have been faster.
      if ! runs; then deny "cannot start \`$job\`: $st_words" "$job_hint"; fi
    }
  fi
  status
}

# receive: the controller sends what `status` said.
receive() {
  if [ -n "$w_upload" ] && ! busy; then "${manager}_receive"; fi
}

# check_release: a release that is there was whole once. Its hashes are for `verify`; here sizes tell what was cut or removed.
check_release() {
  rm -f "$J/failure"
  write_line "$J/phase" 'done'
  if [ -z "$w_build" ]; then
    wanted_files >"$J/declared"
  elif ! cp -- "$whole.files" "$J/declared" 2>/dev/null; then
    deny "\`$whole.files\`, the list of its files, is missing: something removed it" \
      "let it be made anew: \`mv $whole $part\`, then stage again"
    return
  elif [ -h "$whole.root" ] && [ ! -e "$whole.root" ]; then
    deny "\`$(readlink "$whole.root")\`, which it needs of the store of Nix, is not there any more" \
      "let it be made anew: \`mv $whole $part\`, then stage again"
    return
  fi
  while read -r _ cr_size cr_path; do
    size_of "$whole/$cr_path"
    [ "$size" != "$cr_size" ] || continue
    deny "\`$whole/$cr_path\` has ${size:-0} bytes, and $cr_size are declared: something changed it" \
      "let it be mended: \`mv $whole $part\`, then stage again; what is whole in it is not fetched again"
  done <"$J/declared"
  rm -f "$J/declared"
}

# status: a frame, see `artifact::status`.
status() {
  read_line "$J/phase"
  sa_phase=$line
  case $sa_phase in
    running) if ! runs; then
      # It may have ended meanwhile.
      read_line "$J/phase"
      sa_phase=$line
      if [ "$sa_phase" = running ]; then sa_phase=interrupted; fi
    fi ;;
    'done') [ -d "$whole" ] || sa_phase=interrupted ;;
    waiting) if busy; then sa_phase=running; fi ;;
    failed) ;;
    *) sa_phase=interrupted ;;
  esac
  if [ -d "$whole" ]; then sa_there=$w_total; else there_in_part; fi
  printf 'deployctl-stage 1\nphase %s\nthere %s\ntotal %s\n' "$sa_phase" "$sa_there" "$w_total"
  read_line "$J/fetched"
  printf 'fetched %s\n' "${line:-0}"
  for sa_key in at note; do
    read_line "$J/$sa_key"
    if [ -n "$line" ]; then printf '%s %s\n' "$sa_key" "$line"; fi
  done
  if [ "$sa_phase" = waiting ]; then to_send; fi
  if [ "$sa_phase" = failed ]; then
    { IFS= read -r sa_text && IFS= read -r sa_hint; } <"$J/failure" || sa_hint=
    printf 'failure %s\nhint %s\n' "$sa_text" "$sa_hint"
  fi
  printf 'end\n'
}

there_in_part() {
  sa_there=0
  sa_sizes=$(find "$into" -type f -printf '%s ' 2>/dev/null) || :
  for sa_size in $sa_sizes; do sa_there=$((sa_there + sa_size)); done
}

run() {
  exec >>"$J/log" 2>&1
  exec 9>>"$J/lock" 5<&0 </dev/null
  # Who asks whether it is held holds it for a moment.
  flock -w 3 9 || exit 0
  trap 'stop_helpers; "${manager}_end"' EXIT
  "${manager}_begin"
  tell "stage $w_kind $w_name, $w_digest"
  read_line "$J/fetched"
  fetched=${line:-0}
  source=${w_url:-${w_directory:-$w_upload}}
  : >>"$J/verified"
  check_tools
  check_folders "$w_base/releases"
  mkdir -p -- "$w_base/releases" || fail "cannot make \`$w_base/releases\`" "$(base_hint)"
  exec 8>>"$w_base/releases/.lock"
  flock -n 8 || fail "another release of $w_kind \`$w_name\` is being staged, or releases are being freed" 'wait for that, then stage again'
  grep -qsxF -e "$w_base" "$A/bases" || printf '%s\n' "$w_base" >>"$A/bases"
  if [ ! -d "$whole" ]; then
    mkdir -p -- "$into" || fail "cannot make \`$into\`" "see \`$J/log\`"
    there_in_part
    need_room "$(((w_total - sa_there) / 1024 + 1))"
    wanted_files >"$J/files"
    : >"$J/lacks.new"
    while read -r ru_hash ru_size ru_path; do one_file "$ru_hash" "$ru_size" "$ru_path"; done <"$J/files"
    if [ -s "$J/lacks.new" ]; then wait_for_files; fi
    only_declared
    if [ -n "$w_build" ]; then build; fi
    finish
  fi
  rm -f "$J/at" "$J/header" "$J/answer" "$J/words" "$J/files" "$J/verified" "$J/lacks" "$J/lacks.new"
  write_line "$J/phase" 'done'
  forget_jobs
  tell 'it is whole'
}

# base_hint: what to do where the folder of releases cannot be made.
base_hint() {
  bh_top=${w_base#/}
  bh_top=/${bh_top%%/*}
  if [ "$manager" = launchd ] && [ ! -d "$bh_top" ]; then
    printf 'the root of macOS is read-only, and there is no \140%s\140: choose a folder below \140/opt\140' "$bh_top"
  else
    printf 'see \140%s\140' "$J/log"
  fi
}

# only_declared: nothing but its files is where they go.
only_declared() {
  sed 's/^[^ ]* [^ ]* //' "$J/files" | sort >"$J/declared"
  find "$into" ! -type d -printf '%P\n' | sort | comm -13 "$J/declared" - | while IFS= read -r od_stray; do rm -f -- "$into/$od_stray"; done
  rm -f "$J/declared"
}

# finish: all is on the disk, and then it bears its name.
finish() {
  find "$part" -type d -exec sync {} + || fail "\`$part\` cannot be written to the disk" 'see `dmesg`'
  if ! { cp "$J/files" "$whole.files" && sync "$whole.files" && mv -T -- "$part" "$whole" && sync "$w_base/releases"; }; then
    fail "\`$whole\` cannot be put in place" "see \`$J/log\`"
  fi
}

# has_tools: also whether they are GNU's. Else $ht_tool is the one that is not there.
has_tools() {
  for ht_tool in flock sha256sum df; do command -v "$ht_tool" >/dev/null || return 1; done
  ht_tool='stat'
  stat -c %s / >/dev/null 2>&1 || return 1
  ht_tool='find'
  find / -maxdepth 0 -printf '' >/dev/null 2>&1
}

# without_tools fail|deny: $ht_tool is missing.
without_tools() {
  wt_hint='install it: it comes with coreutils, findutils or util-linux'
  if [ "$manager" = launchd ]; then wt_hint='a system of nix-darwin made of the modules of deployctl brings it: apply that first, then stage again'; fi
  "$1" "\`$ht_tool\` as GNU has it is not installed" "$wt_hint"
}

check_tools() {
  if [ -z "$w_url" ]; then return; fi
  command -v curl >/dev/null || fail '`curl` is not installed, and the source is an address' 'install the package curl'
  ct_hint='install the package ca-certificates'
  if [ "$manager" = launchd ]; then ct_hint='a system of nix-darwin has them there'; fi
  [ -s /etc/ssl/certs/ca-certificates.crt ] || fail 'there is no `/etc/ssl/certs/ca-certificates.crt`, the certificates of authorities' "$ct_hint"
  if [ -z "$w_credential" ]; then return; fi
  read_line "$w_credential"
  case $line in
    '')
      fail "\`$w_credential\` is missing or empty" 'declare it in `cluster.secrets`, and an apply opens it first; or put a token there, in one line, readable by root alone'
      ;;
    *[!A-Za-z0-9._~+/=-]*) fail "\`$w_credential\` holds no token: it has characters that no token has" 'put the token there alone, in one line' ;;
  esac
}

# check_folders PATH: nobody but root can change what is on the way to PATH.
check_folders() {
  cf_path=$1
  while [ -n "$cf_path" ]; do
    if [ -e "$cf_path" ] || [ -h "$cf_path" ]; then
      read -r cf_user cf_group cf_mode cf_kind <<LINE
$(stat -L -c '%u %g %a %F' -- "$cf_path")
LINE
      if [ "$cf_kind" != directory ]; then fail "\`$cf_path\` is not a directory" 'move it out of the way'; fi
      if [ "$cf_user" != 0 ]; then fail "\`$cf_path\` is not owned by root, so artifacts cannot be below it" "\`chown root $cf_path\`, or another folder"; fi
      case $cf_mode in
        *[2367]) fail "\`$cf_path\` is writable by everybody, so artifacts cannot be below it" "\`chmod o-w $cf_path\`, or another folder" ;;
        *[2367]?) if [ "$cf_group" != 0 ]; then fail "\`$cf_path\` is writable by its group, so artifacts cannot be below it" "\`chmod g-w $cf_path\`, or another folder"; fi ;;
      esac
    fi
    cf_path=${cf_path%/*}
  done
}

# need_room KIB: of the file system that it is for, beyond what its guard keeps free.
need_room() {
  sp_needed=$1
  { read -r _ && read -r _ _ _ sp_free _ sp_mount; } <<LINES
$(df -Pk -- "$into")
LINES
  if [ -n "$w_mount" ] && [ "$w_mount" != / ] && [ "$sp_mount" != "$w_mount" ]; then
    fail "\`$w_mount\` is not mounted, and $w_kind \`$w_name\` is to be there" 'mount it: see `systemctl status` of its unit; an apply mounts what `storage` declares, before it stages'
  fi
  sp_kept=65536
  if [ "$w_mount" = "$sp_mount" ] && [ "$((w_min_free * 1048576))" -gt "$sp_kept" ]; then sp_kept=$((w_min_free * 1048576)); fi
  if [ "$((sp_free - sp_needed))" -lt "$sp_kept" ]; then
    human "$sp_free"
    sp_text="\`$sp_mount\` has $human free"
    human "$sp_needed"
    sp_text="$sp_text; $w_kind \`$w_name\` needs $human more"
    human "$sp_kept"
    fail "$sp_text, and $human have to stay free" "\`deployctl gc\` shows what it can free; else \`du -xh --max-depth=2 $sp_mount | sort -h | tail\`"
  fi
}

# forget_jobs: earlier ones of the same artifact that nothing works on.
forget_jobs() {
  for fj_job in "$A"/*/wanted; do
    fj_job=${fj_job%/wanted}
    if [ "$fj_job" = "$J" ] || ! grep -qxF -e "base $w_base" "$fj_job/wanted"; then continue; fi
    (flock -n 7 && rm -rf "$fj_job") 7>>"$fj_job/lock"
  done
}
