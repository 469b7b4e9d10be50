# Unpacks the archive of a program: a program of `[artifact.build]`, which stage.sh reads.
# shellcheck shell=sh disable=SC2154,SC2016
#
# The archive's list is read first, and what could reach outside of the release or give rights is refused before anything is
# unpacked. It works with GNU's tar and with bsdtar.

trap 'rm -f "$J/names" "$J/entries" "$J/said"' EXIT
cache_file=$into/$archive

# list_archive OPTIONS FILE: what tar lists of it. By -P, names are as the archive has them; names of owners may hold blanks.
list_archive() {
  tar "$1" "$cache_file" --numeric-owner >"$2" 2>"$J/said" </dev/null || unreadable
}

# unreadable: why tar ended.
unreadable() {
  ur_said=$(one_line "$(cat "$J/said")")
  case $ur_said in
    *'annot exec'* | *'an'?'t launch'* | *'an'?'t initialize'*)
      fail "\`$archive\` cannot be unpacked: $ur_said" 'install the program that the compression of the archive needs' ;;
    *'No space left'*)
      fail "\`$archive\` cannot be unpacked: $ur_said" "\`deployctl gc\` shows what it can free; else \`du -xh --max-depth=2 $w_base | sort -h | tail\`" ;;
  esac
  fail "\`$archive\` cannot be read as an archive of tar: $ur_said" 'its bytes are those that are declared: make the archive anew'
}

# refuse WHAT EXAMPLE
refuse() {
  if [ -n "$2" ]; then fail "\`$archive\` has $1: $(one_line "$2")" 'make the archive anew, without it'; fi
}

# first PATTERN FILE: the first line of it that fits.
first() { grep -e "$1" "$2" | head -n 1; }

check_entries() {
  list_archive -tPf "$J/names"
  list_archive -tvPf "$J/entries"
  refuse 'an absolute path' "$(first '^/' "$J/names")"
  # GNU's tar takes leading folders away after it has made a path relative: of `x//etc/y`, `/etc/y` would be left.
  refuse 'a path with `//`' "$(first '//' "$J/names")$(first '^l.* -> .*//' "$J/entries")$(first '^h.* link to .*//' "$J/entries")"
  refuse 'a name that begins or ends with a blank' "$(first '^ ' "$J/names")$(first ' $' "$J/names")$(first '/ ' "$J/names")$(first ' /' "$J/names")"
  refuse 'a path with `..`' "$(first '^\.\.$' "$J/names")$(first '^\.\./' "$J/names")$(first '/\.\./' "$J/names")$(first '/\.\.$' "$J/names")"
  # tar writes all other characters with a backslash, and lists of files have one path a line.
  refuse 'a name with a backslash, or with what is no printable ASCII' "$(first '[^] -[^-~]' "$J/names")"
  refuse 'an entry that is no file, folder or link, such as a device or a FIFO' "$(first '^[^dlh-]' "$J/entries")"
  refuse 'a set-uid or set-gid bit' "$(first '^...[sS]' "$J/entries")$(first '^......[sS]' "$J/entries")"
  refuse 'a link to an absolute path' "$(first '^l.* -> /' "$J/entries")$(first '^h.* link to /' "$J/entries")"
  refuse 'a hard link with `..`' "$(first '^h.* link to \(.*/\)\{0,1\}\.\.\(/\|$\)' "$J/entries")"
}

# ask_room: for what its files take, each in blocks of 4 KiB.
ask_room() {
  unpacked=0
  while read -r ar_mode ar_second ar_third _ ar_fifth _; do
    case $ar_mode in -*) ;; *) continue ;; esac
    # bsdtar says the number of links, the owner and the group first.
    case $ar_second in */*) ar_size=$ar_third ;; *) ar_size=$ar_fifth ;; esac
    case $ar_size in '' | *[!0-9]*) fail "cannot tell how large the files of \`$archive\` are: $(one_line "$ar_mode $ar_second $ar_third")" "see \`tar -tvf $cache_file\` on the host" ;; esac
    unpacked=$((unpacked + ((ar_size + 4095) >> 12 << 2)))
  done <"$J/entries"
  need_room "$((unpacked + 1))"
}

unpack() {
  mkdir -- "$part" || fail "cannot make \`$part\`" "see \`$J/log\`"
  tar -xf "$cache_file" -C "$part" --no-same-owner --no-same-permissions --strip-components "$strip" 2>"$J/said" </dev/null || unreadable
  # Whatever the archive says.
  { chown -hR 0:0 "$part" && chmod -R u+rwX,go-w,a+rX "$part"; } || fail "cannot set owner and mode of \`$part\`" "see \`$J/log\`"
}

check_unpacked() {
  [ -n "$(find "$part" -type f -print | head -n 1)" ] || fail "\`$archive\` unpacks to no file with \`strip = $strip\`" "see \`tar -tf $cache_file\` on the host"
  find "$part" -type l -print | while IFS= read -r cu_link; do
    cu_target=$(readlink -m -- "$cu_link")
    case $cu_target/ in
      "$root"/*) ;;
      *) fail "\`$archive\` has a link that leaves the release: ${cu_link#"$part/"} -> $(readlink -- "$cu_link")" 'make the archive anew, without it' ;;
    esac
  done || exit 1
  for cu_path in $executables; do
    if [ ! -f "$part/$cu_path" ]; then fail "\`$archive\` has no file \`$cu_path\`, which \`executables\` names" "see \`tar -tf $cache_file\` on the host; \`strip\` is $strip"; fi
    if [ -z "$(find -L "$part/$cu_path" -perm -111)" ]; then fail "\`$cu_path\` of \`$archive\` is not executable for all" 'make the archive anew, with the mode 0755 for it'; fi
  done
}

list_files() {
  (cd -- "$part" && find . -type f -exec sha256sum -- {} +) | sort -k 2 | while read -r li_hash li_path; do
    size_of "$part/${li_path#./}"
    printf '%s %s %s\n' "$li_hash" "$size" "${li_path#./}"
  done >"$J/files"
}

command -v tar >/dev/null || fail '`tar` is not installed' 'install the package tar'
check_entries
ask_room
unpack
root=$(readlink -f -- "$part")
check_unpacked
list_files
tell "$archive unpacks to $(wc -l <"$J/files") files"
