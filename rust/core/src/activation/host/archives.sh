
# --- archives: tried before anything changes, then known to apt ----------------------------------------------------------

apt_lists=/var/lib/apt/lists

# check_archives FILE…: whether apt can use these sources, on the merged tree. It reads each alone and from nothing: of an
# archive that is away or signed by another key it would keep what it had, and call that done. What it reads stays with
# this apply; the host's own lists are as they were.
check_archives() {
  begin "check archives $*"
  expect_readable_sources "$@"
  rm -rf "$D/archives" "$D/lists"
  if ! install -d -m 0755 "$D/archives" "$D/archives/partial" || ! mount --bind "$D/archives" "$apt_lists"; then
    invalid packages "cannot try archives: $(last_lines)"
  fi
  ca_wrong=
  for ca_file in "$@"; do
    if [ -f "$ca_file" ] && ! update_from "$ca_file"; then
      ca_wrong="$ca_wrong, archive of \`$ca_file\`: $(apt_complaints)"
    fi
  done
  umount "$apt_lists"
  if [ -n "$ca_wrong" ]; then
    rm -rf "$D/archives"
    invalid packages "${ca_wrong#, }"
  fi
  # With all others, for what follows. A link takes no room, and apt replaces files rather than to write to them.
  if ! { cp -a -l -T "$apt_lists" "$D/lists" 2>/dev/null || { rm -rf "$D/lists" && cp -a -T "$apt_lists" "$D/lists"; }; } ||
    ! lists_with_inodes >"$D/.lists-before" ||
    ! find "$D/archives" -maxdepth 1 -type f ! -name lock -exec mv -f -t "$D/lists/" -- {} + ||
    ! mount --bind "$D/lists" "$apt_lists"; then
    invalid packages "cannot put the lists of archives together: $(last_lines)"
  fi
  rm -rf "$D/archives"
}

# update_from FILE: apt reads the sources in FILE alone. Fails where it could not get all of them, of which apt only warns.
update_from() {
  apt update -o Dir::Etc::SourceList="$1" -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=0 \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 || return 1
  # Of a component that an archive does not have, apt only warns.
  ! grep -q -e '^Err:' -e '^W: Skipping acquire of configured file' "$D/.apt"
}

# What apt complained of last, in a line; that some files were not fetched only follows from the rest.
apt_complaints() {
  if grep -q "$lock_lines" "$D/.apt"; then
    lock_holder
    printf '%s' "waited $lock_seconds s for $lock_holder"
    return
  fi
  {
    grep '^[EW]: ' "$D/.apt" || tail -n 3 "$D/.apt"
  } | grep -v 'Some index files failed to download' | tr -s '\n\t ' ' ' | sed 's/ $//' | cut -c 1-400
}

# expect_readable_sources FILE…: apt reads nothing at all where two of its files name one archive and disagree on it, such as
# on its key.
expect_readable_sources() {
  if apt-get indextargets >/dev/null 2>"$D/.apt"; then return; fi
  cat "$D/.apt"
  er_uri=$(sed -n 's/^E: Conflicting values set for option .* regarding source \([^ ]*\) .*/\1/p' "$D/.apt" | head -n 1)
  er_files=
  if [ -n "$er_uri" ]; then
    for er_file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
      case " $* " in *" $er_file "*) continue ;; esac
      if ! names_uri "$er_file" "$er_uri"; then continue; fi
      er_package=$(dpkg -S "$er_file" 2>/dev/null | sed 's/:.*//;q')
      er_files="$er_files and \`$er_file\`${er_package:+ (of package \`$er_package\`)}"
    done
  fi
  if [ -z "$er_files" ]; then invalid packages "apt cannot read its sources: $(apt_complaints)"; fi
  invalid packages "the archive \`$er_uri\` is named by ${er_files# and }, too, and not in the same way: $(apt_complaints)"
}

names_uri() { # FILE URI
  [ -f "$1" ] && awk -v uri="${2%/}" '/^[ \t]*#/ { next }
    { for (i = 1; i <= NF; i++) { word = $i; sub(/\/+$/, "", word); if (word == uri) found = 1 } }
    END { exit !found }' "$1"
}

# lists_with_inodes: the lists of this apply, each with its inode: apt replaces files rather than to write to them.
lists_with_inodes() { find "$D/lists" -maxdepth 1 -type f ! -name lock -printf '%i %f\n' | sort; }

# take_lists: what was read before anything changed is what apt knows from now on; nothing is fetched again.
take_lists() {
  if [ ! -d "$D/lists" ]; then return; fi
  step "take lists" take_lists
  # Those that this apply read. The others are the host's, which may have newer ones by now.
  lists_with_inodes | comm -13 "$D/.lists-before" - >"$D/.lists"
  while read -r _ tl_name; do
    if [ ! -e "$apt_lists/$tl_name" ]; then printf '%s\n' "$tl_name" >>"$D/new-lists" || die "cannot write down which lists are new"; fi
    # The folder may be another file system, where a move is no rename.
    try cp -p -- "$D/lists/$tl_name" "$apt_lists/$tl_name.deployctl"
    try mv -f -- "$apt_lists/$tl_name.deployctl" "$apt_lists/$tl_name"
  done <"$D/.lists"
  rm -rf "$D/lists"
}

# drop_lists: those of archives that the host had not.
drop_lists() {
  rm -rf "$D/lists"
  if ! journal_has take_lists || [ ! -s "$D/new-lists" ]; then return; fi
  while read -r dl_name; do rm -f -- "$apt_lists/$dl_name"; done <"$D/new-lists"
}
