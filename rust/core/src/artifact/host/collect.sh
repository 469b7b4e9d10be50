
# --- what nothing declares or uses --------------------------------------------------------------------------------------

# gc [--yes]: tells what would be freed, or frees it. Lines are `WORD KIB PATH`, see `artifact::job`.
gc() {
  printf 'deployctl-gc 1\n'
  if [ -e "$S/lease" ]; then
    printf 'denied an apply is open on this host: wait for its end\n'
    exit 0
  fi
  { cut -d ' ' -f 1 "$J/declared"; cat "$A/bases" 2>/dev/null; } | sort -u >"$J/bases"
  while IFS= read -r gc_base; do
    [ -d "$gc_base/releases" ] || continue
    (
      flock -n 8 || {
        size_kib "$gc_base/releases"
        printf 'busy %s %s\n' "$kib" "$gc_base/releases"
        exit
      }
      gc_base "$@"
    ) 8>>"$gc_base/releases/.lock" </dev/null
  done <"$J/bases"
  printf 'end\n'
}

size_kib() {
  kib=$(du -sk -- "$1" 2>/dev/null) || kib=0
  kib=${kib%%[!0-9]*}
}

gc_base() { # [--yes]
  gb_wanted='' gb_keep=1
  while read -r gb_path gb_digest gb_number; do
    if [ "$gb_path" = "$gc_base" ]; then gb_wanted=$gb_digest gb_keep=$gb_number; fi
  done <"$J/declared"
  gb_current=$(readlink -- "$gc_base/current" 2>/dev/null) || gb_current=
  gb_current=${gb_current#releases/}
  gb_left=$gb_keep
  # The newest first: their lists are written when they become whole.
  for gb_name in $gb_current $gb_wanted $(cd "$gc_base/releases" && find . -maxdepth 1 -name '*.files' -printf '%T@ %f\n' | sort -rn | sed 's/^[^ ]* //; s/\.files$//'); do
    case " ${gb_seen-} " in *" $gb_name "*) continue ;; esac
    gb_seen="${gb_seen-} $gb_name"
    gb_release=$gc_base/releases/$gb_name
    [ -d "$gb_release" ] || continue
    size_kib "$gb_release"
    if [ "$gb_name" = "$gb_current" ]; then
      gb_word=current
    elif [ "$gb_name" = "$gb_wanted" ]; then
      gb_word=declared
    elif [ -n "$gb_wanted" ] && [ "$gb_left" -gt 0 ]; then
      gb_word=former
    else
      gb_word=free
    fi
    gb_left=$((gb_left - 1))
    if [ "$gb_word" = free ] && [ "${1-}" = --yes ]; then
      # First the name: what is half removed is no release.
      { mv -T -- "$gb_release" "$gb_release.part" && rm -rf -- "$gb_release.part" "$gb_release.files" "$gb_release.root"; } || gb_word=stuck
    fi
    printf '%s %s %s\n' "$gb_word" "$kib" "$gb_release"
  done
  for gb_part in "$gc_base"/releases/*.part; do
    [ -d "$gb_part" ] || continue
    size_kib "$gb_part"
    if [ "$gb_part" = "$gc_base/releases/$gb_wanted.part" ]; then
      printf 'begun %s %s\n' "$kib" "$gb_part"
      continue
    fi
    gb_word=free
    if [ "${1-}" = --yes ]; then rm -rf -- "$gb_part" || gb_word=stuck; fi
    printf '%s %s %s\n' "$gb_word" "$kib" "$gb_part"
  done
  if [ "${1-}" = --yes ]; then
    # What Nix keeps for a release that is not there, as one that could not be made.
    for gb_root in "$gc_base"/releases/*.root; do
      if [ ! -d "${gb_root%.root}" ]; then rm -f -- "$gb_root"; fi
    done
  fi
  if [ -n "$gb_wanted" ] || [ ! -d "$gc_base/cache" ]; then return; fi
  # What a release has in common with it takes no room of its own.
  kib=$(du -sk -- "$gc_base/releases" "$gc_base/cache" 2>/dev/null | tail -n 1) || kib=0
  kib=${kib%%[!0-9]*}
  gb_word=free
  if [ "${1-}" = --yes ]; then rm -rf -- "$gc_base/cache" || gb_word=stuck; fi
  printf '%s %s %s\n' "$gb_word" "$kib" "$gc_base/cache"
}
