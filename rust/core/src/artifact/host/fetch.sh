
# --- one file -----------------------------------------------------------------------------------------------------------

# one_file SHA256 SIZE PATH: whole and verified below $into, or the job fails.
one_file() {
  target=$into/$3
  size_of "$target"
  if [ "$size" = "$2" ] && grep -qxF -e "$1 $3" "$J/verified"; then return; fi
  write_line "$J/at" "$3"
  case $3 in */*) mkdir -p -- "$into/${3%/*}" || fail "cannot make folders below \`$into\`" "see \`$J/log\`" ;; esac
  # What was here before may be what a crash left; what this run fetched from the first byte on is the source's own.
  of_own=
  if [ -z "$size" ]; then take_held "$@"; fi
  while :; do
    size_of "$target"
    if [ "${size:-0}" -gt "$2" ]; then
      rm -f -- "$target"
      size=
    fi
    if [ "${size:-0}" -eq 0 ]; then of_own=1; fi
    hash=
    if [ "${size:-0}" -lt "$2" ]; then
      if [ -n "$w_upload" ] && ! arrives "$2" "$3"; then
        printf '%s %s\n' "$2" "$3" >>"$J/lacks.new"
        return
      fi
      begin_hash "$(($2 - ${size:-0}))"
      obtain "$2" "$3"
      end_hash
    else
      : >>"$target"
    fi
    size_of "$target"
    if [ "${size:-0}" -ne "$2" ]; then
      rm -f -- "$target"
      fail "\`$source/$3\` has ${size:-0} bytes, and $2 are declared" 'the list of files is of another revision, or this source has other files'
    fi
    # Another hash says nothing yet: the file may have begun anew meanwhile.
    if [ "$hash" = "$1" ]; then tell "$3 was hashed while it came"; else hash_of; fi
    if [ "$hash" = "$1" ]; then break; fi
    rm -f -- "$target"
    if [ -n "$of_own" ]; then
      of_hint='the list of files is of another revision, or the source is not to be trusted'
      if [ -n "$w_upload" ]; then of_hint='it was changed while it was sent, or on its way: stage again'; fi
      fail "\`$source/$3\` is not what is declared: its sha256 is $hash" "nothing of it is kept; $of_hint"
    fi
    tell "$3 was not whole: once more from the beginning"
  done
  sync "$target" || fail "\`$target\` cannot be written to the disk" "see \`dmesg\`"
  printf '%s %s\n' "$1" "$3" >>"$J/verified"
  tell "$3 is whole"
}

# sha256: of standard input. openssl, which comes with ca-certificates, lets the processor help.
sha256() {
  if command -v openssl >/dev/null; then openssl dgst -sha256 -r; else sha256sum; fi
}

# hash_of: of $target, in $hash.
hash_of() {
  hash=$(sha256 <"$target") || hash=
  hash=${hash%% *}
}

# begin_hash BYTES: reads $target from its first byte while that many more come, since to read it afterwards takes as long again.
# Meanwhile it is written to the disk. Small files are not worth the wait for the end.
growing=
begin_hash() {
  if [ "$1" -lt 16777216 ]; then return; fi
  : >>"$target"
  (while sleep 2; do sync -d "$target"; done) >/dev/null 2>&1 8>&- 9>&- &
  growing=$!
  tail -c +1 -f -s 0.1 --pid="$growing" -- "$target" 2>/dev/null 8>&- 9>&- | sha256 >"$J/hash" 8>&- 9>&- &
  hasher=$!
}

# end_hash: what begin_hash found, in $hash.
end_hash() {
  if [ -z "$growing" ]; then return; fi
  kill "$growing"
  wait "$growing" 2>/dev/null
  growing=
  wait "$hasher"
  read_line "$J/hash"
  hash=${line%% *}
  rm -f "$J/hash"
}

# take_held SHA256 SIZE PATH: from another release of this artifact, where that has the same bytes: no room, no traffic.
take_held() {
  for th_list in "$w_base"/releases/*.files; do
    [ -f "$th_list" ] || continue
    th_path=$(sed -n "s|^$1 $2 ||p" "$th_list" | head -n 1)
    if [ -z "$th_path" ]; then continue; fi
    size_of "${th_list%.files}/$th_path"
    if [ "$size" = "$2" ] && ln -- "${th_list%.files}/$th_path" "$target" 2>/dev/null; then
      tell "$3 is held already"
      return
    fi
  done
}

# obtain SIZE PATH: the bytes of $target that are missing.
obtain() {
  if [ -n "$w_upload" ]; then
    take_sent "$@"
    return
  fi
  if [ -n "$w_directory" ]; then
    size_of "$w_directory/$2"
    if [ -z "$size" ]; then
      fail "there is no file \`$w_directory/$2\` on the host" 'put it there, or see whether its file system is mounted'
    fi
    tell "copy $2"
    cp -T -- "$w_directory/$2" "$target" || fail "\`$w_directory/$2\` cannot be copied to \`$target\`" "see \`$J/log\`"
    count_fetched 0 "$1"
    return
  fi
  tell "fetch $2"
  strikes=0
  while :; do
    size_of "$target"
    ob_before=${size:-0}
    if [ "$ob_before" -ge "$1" ]; then return; fi
    request "$w_url/$2"
    ob_status=$?
    size_of "$target"
    if [ "${size:-0}" -gt "$ob_before" ]; then
      strikes=0
      count_fetched "$ob_before" "$size"
    fi
    if [ "$ob_status" -eq 0 ]; then
      web_page "$w_url/$2" "$1" "$2"
      return
    fi
    judge "$w_url/$2" "$ob_status"
  done
}

# web_page URL SIZE PATH: a login page or a proxy's words are no file.
web_page() {
  size_of "$target"
  case $3:$(cat "$J/answer") in
    *.html:* | *.htm:*) ;;
    *text/html*)
      if [ "${size:-0}" -ne "$2" ]; then
        rm -f -- "$target"
        fail "\`$1\` answered with a web page, not with the file" 'a login page, a portal or a proxy answers there: open the address yourself'
      fi
      ;;
  esac
}

# count_fetched FROM TO: adds to what came from the source. It is written beside, since the job may be cut off.
count_fetched() {
  fetched=$((fetched + $2 - $1))
  write_line "$J/fetched" "$fetched"
}

# request URL: appends what is missing of $target. The token travels on standard input. Redirects stay on HTTPS, and curl gives
# the token to no other host.
request() {
  {
    if [ -n "$w_credential" ]; then
      read_line "$w_credential"
      printf 'header = "Authorization: Bearer %s"\n' "$line"
    fi
  } | curl -q --config - --silent --show-error --fail --globoff --location --max-redirs 5 --proto =https --proto-redir =https \
    --connect-timeout 30 --speed-limit 1000 --speed-time 60 --continue-at - --dump-header "$J/header" \
    --write-out '%{http_code} %{content_type}\n' --output "$target" --url "$1" >"$J/answer" 2>"$J/words"
}
