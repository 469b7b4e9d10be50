
# --- validation: on the merged tree, in a mount namespace of our own ---------------------------------------------------

validate() {
  if [ "$manager" != systemd ]; then
    (. "$D/validate.sh")
  else
    unshare --mount --propagation private -- sh "$D/host.sh" start "$ID" --validate
  fi >>"$D/log" 2>&1 9>&-
}

expect_release() { # PATH: what an artifact's link is to lead to; it bears that name only where it is whole
  if [ ! -d ".$1" ]; then invalid validate "\`$1\` is not on the host: \`deployctl stage\` fetches what is declared"; fi
}

merge_copy=    # set where an overlay cannot say it
merged() { # PATH: where it is prepared, in $merged; fails for what is outside /etc
  case $1 in /etc/*) ;; *) return 1 ;; esac
  merged=$D/merged/staged${1#/etc}
  if [ ! -d "${merged%/*}" ]; then
    umask 022
    mkdir -p -- "${merged%/*}"
    umask 077
  fi
}

merge_begin() {
  if ! mkdir -p "$D/merged" || ! mount -t tmpfs -o mode=0755 tmpfs "$D/merged"; then
    invalid validate "no mount namespace: $(last_lines)"
  fi
  mkdir "$D/merged/staged"
  chmod 0755 "$D/merged/staged"
  : >"$D/merged/gone"
}

merge_file() { # PATH MODE OWNER GROUP
  merged "$1" || return 0
  # The account may be created by this apply.
  install -T -m "$2" -o "$3" -g "$4" -- "$D/tree/.$1" "$merged" 2>/dev/null ||
    install -T -m "$2" -- "$D/tree/.$1" "$merged" || invalid validate "cannot stage \`$1\`: $(last_lines)"
}

merge_symlink() { # PATH TARGET
  merged "$1" || return 0
  ln -sfn -- "$2" "$merged" || invalid validate "cannot stage \`$1\`: $(last_lines)"
}

merge_directory() { # PATH MODE
  merged "$1" || return 0
  install -d -m "$2" -- "$merged" || invalid validate "cannot stage \`$1\`: $(last_lines)"
}

merge_removal() { # PATH
  merged "$1" || return 0
  printf '%s\n' "$1" >>"$D/merged/gone"
  # overlayfs reads it as a deleted file.
  if [ -e ".$1" ] || [ -h ".$1" ]; then mknod "$merged" c 0 0 2>/dev/null || merge_copy=1; fi
}

merge_original() { # PATH
  original_state "$1" || return 0
  case $state in
    [fl]' '*) if merged "$1"; then cp -a -T -- "$S/original/$or_generation/.$1" "$merged"; fi ;;
    a' '*) merge_removal "$1" ;;
  esac
}

merge_end() {
  if [ -z "$merge_copy" ] &&
    mount -t overlay -o "ro,lowerdir=$D/merged/staged:/etc" overlay /etc 2>/dev/null; then
    return
  fi
  # Where overlays do not work, a copy does.
  find "$D/merged/staged" -type c -delete
  if ! merge_by_copy; then invalid validate "cannot put the staged files over \`/etc\`: $(last_lines)"; fi
}

merge_by_copy() {
  cp -a -T /etc "$D/merged/whole" && cp -a --remove-destination "$D/merged/staged/." "$D/merged/whole/" || return 1
  while read -r me_gone; do rm -rf -- "$D/merged/whole${me_gone#/etc}"; done <"$D/merged/gone"
  mount --bind "$D/merged/whole" /etc && mount -o remount,bind,ro /etc
}

# expect_packages: what a validator or a unit needs and is not there may come with a package of this apply.
expect_packages=
expect_packages() { expect_packages=1; }

run_validator() { # COMMAND…
  begin "validate $*"
  if ! command -v "$1" >/dev/null; then
    if [ -n "$borrowed" ]; then
      invalid validate "\`$borrowed\`, whose program is to validate it, has no \`$1\`; a path of its own names no program of a package that is not installed"
    fi
    later "skip: $1 is not installed yet" "$@"
    return
  fi
  va_made=
  case ${1##*/} in
    # sshd -t wants its directory, which only exists while sshd runs.
    sshd) if [ ! -d /run/sshd ] && mkdir -m 0755 /run/sshd; then va_made=1; fi ;;
    # netplan writes what it generates where the running system looks for it.
    netplan)
      for va_run in /run/systemd/network /run/systemd/system /run/udev/rules.d /run/NetworkManager; do
        if [ -d "$va_run" ]; then mount -t tmpfs -o mode=0755 tmpfs "$va_run"; fi
      done
      ;;
  esac
  quietly "$@"
  va_status=$?
  if [ -n "$va_made" ]; then rmdir /run/sshd; fi
  if [ "$va_status" -eq 0 ]; then return; fi
  if [ -n "$expect_packages" ] && only_programs_missing; then
    later "skip: a program of it is not installed yet" "$@"
    return
  fi
  invalid validate "\`$*\` failed with $va_status: $(last_lines)"
}

# quietly COMMAND…: its output goes to the log only when it fails.
quietly() {
  case ${1##*/} in
    systemd-analyze)
      if [ "$(systemd_version)" -lt 250 ]; then without_recursion "$@"; else "$@"; fi ;;
    *) "$@" ;;
  esac </dev/null >"$D/.validator" 2>&1
  qu_status=$?
  if [ "$qu_status" -ne 0 ]; then cat "$D/.validator"; fi
  return "$qu_status"
}

# systemd before 250 does not know --recursive-errors, and takes only the unit itself to be in error.
without_recursion() {
  for wr_word in "$@"; do
    shift
    case $wr_word in --recursive-errors=*) ;; *) set -- "$@" "$wr_word" ;; esac
  done
  "$@"
}

# only_programs_missing: all that the validator complained of are programs of units that are not there.
only_programs_missing() {
  grep -q 'is not executable: No such file or directory' "$D/.validator" &&
    ! grep -v -e 'is not executable: No such file or directory' -e '^Unit .* has a bad unit file setting' "$D/.validator" | grep -q .
}

# later WORD COMMAND…: tries it again when the packages are there, in the window: see `validate_postponed`.
later() {
  printf '%s\n' "$1"
  shift
  if [ -z "$expect_packages" ]; then return; fi
  { printf '%s\n' "$#" "$@"; } >>"$D/later" || invalid validate "cannot write down what is to be validated later"
}

# validate_postponed: with the files and the packages in place, before any unit is started. netplan's own step reads its files.
validate_postponed() {
  [ -s "$D/later" ] || return 0
  while read -r vl_count; do
    set --
    while [ "$vl_count" -gt 0 ]; do
      IFS= read -r vl_word
      set -- "$@" "$vl_word"
      vl_count=$((vl_count - 1))
    done
    begin "validate $*"
    if [ "${1##*/}" != netplan ] && command -v "$1" >/dev/null; then
      quietly "$@" || die "\`$*\` failed: $(last_lines)"
    fi
  done <"$D/later"
}

