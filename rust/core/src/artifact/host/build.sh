
# --- what the host makes by itself --------------------------------------------------------------------------------------

# build: runs the program of the concern's folder, which puts the release into $part and its list, `SHA256 SIZE PATH` a line,
# into $J/files. It may use `tell`, `fail`, `need_room`, `hold` and `offer`, and keep in $cache what it can do without.
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

# hold STORE-PATH: Nix keeps it as long as the release is there. Its root is no part of the release, which is renamed.
hold() {
  rm -f -- "$whole.root"
  nix-store --realise "$1" --add-root "$whole.root" --indirect >/dev/null ||
    fail "Nix does not keep \`$1\` for it" "see \`$J/log\` on the host"
}

# offer NAME: what comes on standard input, at $RUNTIME_DIRECTORY/NAME for root alone, and on no disk.
offer() { "${manager}_offer" "$RUNTIME_DIRECTORY/$1"; }
