
# --- what the host makes by itself --------------------------------------------------------------------------------------

# build: runs the program of the concern's folder, which puts the release into $part and its list, `SHA256 SIZE PATH` a line,
# into $J/files. It may use `tell`, `fail` and `need_room`, and keep in $cache what it can do without.
build() {
  rm -rf -- "$part"
  rm -f "$J/at"
  : >"$J/files"
  (
    # shellcheck source=/dev/null
    . "$J/variables"
    # shellcheck source=/dev/null
    . "$J/program/build.sh"
  )
  bu_status=$?
  rm -f "$J/note"
  if [ "$bu_status" -eq 0 ] && [ -d "$part" ] && [ -s "$J/files" ]; then
    sync -f "$part" || fail "\`$part\` cannot be written to the disk" 'see `dmesg`'
    return
  fi
  [ -s "$J/failure" ] || fail "what makes $w_kind \`$w_name\` ended with status $bu_status" "see \`$J/log\` on the host"
  exit 1
}
