
# --- what is at paths ---------------------------------------------------------------------------------

# account NAME NUMBER: how an owner or a group is called in a plan, in $account: by name, and `_` with the number where
# it has no name, or one that a plan cannot hold (`first.last`, `DOMAIN\user`). A name that looks like such a number counts as none.
# rust/core/src/observed/paths.rs does the same.
account() {
  account=$1
  case $1 in
    '' | [!a-z_]* | *[!a-z0-9_-]* | ????????????????????????????????*) account=_$2 ;;
    _*[!0-9]*) ;;
    _*) account=_$2 ;;
  esac
}

# states LIST [numbers]: a line `KIND SHA256 MODE OWNER GROUP PATH [TARGET]` for each path in the file LIST. KIND is f,
# d, l (symlink), a (absent) or o (other). Three processes however many paths. With `numbers` owners are told by number
# alone, which stays the same when an account comes or goes.
states() {
  st_list=
  while read -r st_path; do st_list="$st_list .$st_path"; done <"$1"
  [ -n "$st_list" ] || return 0
  # By way of a variable, since `stat` fails as well where a path is not there, and a full disk must not look like that.
  st_found=$(stat -c '%f %a %u %g %n|%U|%G' -- $st_list 2>/dev/null)
  printf '%s\n' "$st_found" >"$D/.stat" || return 1
  st_files=
  while read -r st_type _ _ _ st_name; do
    case $st_type in 8???) st_files="$st_files ${st_name%%|*}" ;; esac
  done <"$D/.stat"
  : >"$D/.sums"
  if [ -n "$st_files" ]; then sha256sum -- $st_files >"$D/.sums" || return 1; fi
  exec 3<"$D/.stat" 4<"$D/.sums"
  st_name='' st_bad=''
  while read -r st_path; do
    if [ -z "$st_name" ]; then
      read -r st_type st_mode st_owner st_group st_names <&3 || st_names=
      st_name=${st_names%%|*} st_names=${st_names#*|}
    fi
    if [ "$st_name" != ".$st_path" ]; then
      printf 'a - - - - %s\n' "$st_path" || st_bad=1
      continue
    fi
    st_name=
    owner_words "${2-}"
    case $st_type in
      8???)
        read -r st_sum _ <&4
        printf 'f %s %s %s %s %s\n' "$st_sum" "$st_mode" "$st_owner" "$st_group" "$st_path" || st_bad=1
        ;;
      4???) printf 'd - %s %s %s %s\n' "$st_mode" "$st_owner" "$st_group" "$st_path" || st_bad=1 ;;
      a???) printf 'l - - - - %s %s\n' "$st_path" "$(readlink ".$st_path")" || st_bad=1 ;;
      *) printf 'o - - - - %s\n' "$st_path" || st_bad=1 ;;
    esac
  done <"$1"
  exec 3<&- 4<&-
  [ -z "$st_bad" ]
}

# owner_words [numbers]: how `states` writes an owner and a group. Sets $st_owner and $st_group.
owner_words() {
  if [ "$1" = numbers ]; then return; fi
  account "${st_names%%|*}" "$st_owner" && st_owner=$account
  account "${st_names#*|}" "$st_group" && st_group=$account
}

# expected_owner: the $owner and $group that `differing` expects.
expected_owner() { :; }

# differing EXPECTED FOUND: the paths whose lines differ, in $differing. A line `? … PATH` expects nothing.
differing() {
  differing=
  exec 3<"$2"
  while read -r kind sum mode owner group rest; do
    IFS= read -r found <&3 || found=
    expected_owner
    if [ "$kind" != '?' ] && [ "$kind $sum $mode $owner $group $rest" != "$found" ]; then
      differing="$differing ${rest%% *}"
    fi
  done <"$1"
  exec 3<&-
}

# --- checkpoint: what is really there --------------------------------------------------------------------------

checkpoint_paths() {
  begin "checkpoint files"
  states "$D/touched" numbers >"$D/checkpoint/states" || die "cannot read the paths that would change: $(last_lines)"
  cp_list=
  while read -r kind _ _ _ _ rest; do
    case $kind in f | l) cp_list="$cp_list .${rest%% *}" ;; esac
  done <"$D/checkpoint/states"
  if [ -n "$cp_list" ]; then
    cp -a --parents -t "$D/checkpoint/tree" -- $cp_list || die "cannot save the files that would change: $(last_lines)"
  fi
}

checkpoint_sysctl() {
  if read_sysctl "$1"; then printf '%s %s\n' "$1" "$value" >>"$D/checkpoint/sysctls" || die "cannot save sysctl \`$1\`"; fi
}

checkpoint_module() {
  if module_loaded "$1"; then printf '%s\n' "$1" >>"$D/checkpoint/modules" || die "cannot save module \`$1\`"; fi
}

checkpoint_units() {
  begin "checkpoint units"
  unit_states "$@" >"$D/checkpoint/units" || die "cannot ask systemd for the state of units: $(last_lines)"
  checkpoint_run_sshd
}

checkpoint_firewall() { # FAMILY TABLE
  command -v nft >/dev/null || return 0
  nft list table "$1" "$2" >"$D/checkpoint/firewall" 2>/dev/null || rm -f "$D/checkpoint/firewall"
}

checkpoint_network() { # netplan|networkd|any…
  addresses >"$D/checkpoint/addresses"
  mtus >"$D/checkpoint/mtus"
  works_now network network_readable "$@"
}

checkpoint_udev() {
  if udev_runs; then works_now udev udevadm control --reload; fi
}

# What boots the host, so that it is seen whether it was written anew.
boot_files() { stat -c '%n %s %Y %i' /boot/initrd* /boot/grub/grub.cfg 2>/dev/null || :; }

checkpoint_boot_files() {
  boot_files >"$D/checkpoint/boot-files" || die "cannot save what boots this host"
}

# works_now WORD COMMAND…: whether the rollback step WORD works before anything is changed.
works_now() {
  wn_word=$1
  shift
  "$@" >"$D/.works" 2>&1 && return
  printf 'does not work before the apply: %s: %s\n' "$wn_word" "$(head -n 1 "$D/.works")"
  printf '%s\n' "$wn_word" >>"$D/checkpoint/broken" || die "cannot write down what does not work"
}

# checkpointed FILE WORD: the line of checkpoint/FILE that begins with WORD, without it, in $value.
checkpointed() {
  saved "$D/checkpoint/$1" "$2"
}

saved() { # FILE WORD
  [ -r "$1" ] || return 1
  while read -r saved_word value; do
    if [ "$saved_word" = "$2" ]; then return 0; fi
  done <"$1"
  return 1
}

# --- generation 0: what was there before deployctl ------------------------------------------------------------
# original/index has lines `GENERATION STATE-LINE`, the bytes are in original/GENERATION/PATH; sysctls and units are as
# in a checkpoint. A path that was always as we want it was never changed, so it has no line and stays.

# originals: writes down, beside what is there, generation 0 with what this apply's checkpoint holds for the first
# time. Run before the commit, where it may fail, and again in it; there `keep_originals` puts it into place.
originals() {
  begin "keep originals"
  mkdir -p "$S/original/$next" || return 1
  # $forgotten: what goes back to its original by this apply (` /etc/x unit:x.service sysctl:net/… `).
  or_known=' ' or_files='' or_bad='' or_lines=0
  {
    if [ -r "$S/original/index" ]; then
      while read -r or_generation or_line; do
        or_rest=${or_line#* * * * * }
        or_path=${or_rest%% *}
        case $forgotten in *" $or_path "*) continue ;; esac
        or_known="$or_known$or_path "
        printf '%s %s\n' "$or_generation" "$or_line" || or_bad=1
        or_lines=$((or_lines + 1))
      done <"$S/original/index"
    fi
    # An apply of packages alone has no paths.
    if [ -s "$D/touched" ]; then
      while IFS= read -r or_line; do
        or_rest=${or_line#* * * * * }
        or_path=${or_rest%% *}
        case $forgotten$or_known in *" $or_path "*) continue ;; esac
        case $or_line in [fl]' '*) or_files="$or_files .$or_path" ;; esac
        printf '%s %s\n' "$next" "$or_line" || or_bad=1
        or_lines=$((or_lines + 1))
      done <"$D/checkpoint/states" || or_bad=1
    fi
  } >"$S/original/index.new" || return 1
  [ -z "$or_bad" ] || return 1
  if [ -n "$or_files" ]; then
    (cd "$D/checkpoint/tree" && cp -al --parents -t "$S/original/$next" -- $or_files) || return 1
    flush_tree "$S/original/$next" || return 1
  fi
  merge_originals sysctls sysctl || return 1
  merge_originals units unit || return 1
  merge_originals holds hold || return 1
  whole "$S/original/index.new"
}

# whole FILE: all $or_lines lines of it are there.
whole() {
  flush "$1" || return 1
  or_there=$(wc -l <"$1") || return 1
  [ "$((or_there))" -eq "$or_lines" ]
}

keep_originals() {
  for ko_file in sysctls units holds index; do
    mv -f "$S/original/$ko_file.new" "$S/original/$ko_file" || return 1
  done
  flush "$S/original"
}

merge_originals() { # FILE KIND
  or_known=' ' or_bad=''
  for or_file in "$S/original/$1" "$D/checkpoint/$1"; do
    [ -r "$or_file" ] || continue
    while read -r or_word or_rest; do
      case $forgotten in *" $2:$or_word "*) continue ;; esac
      case $or_known in *" $or_word "*) continue ;; esac
      or_known="$or_known$or_word "
      printf '%s %s\n' "$or_word" "$or_rest" || or_bad=1
    done <"$or_file"
  done >"$S/original/$1.new" || return 1
  [ -z "$or_bad" ] && flush "$S/original/$1.new"
}

forgotten=' '
forget_original() { forgotten="$forgotten$1 "; } # PATH | unit:UNIT | sysctl:KEY | hold:PACKAGE

# original_state PATH: its line in generation 0: generation in $or_generation, the rest in $state.
original_state() {
  [ -r "$S/original/index" ] || return 1
  while read -r or_generation state; do
    or_rest=${state#* * * * * }
    if [ "${or_rest%% *}" = "$1" ]; then return 0; fi
  done <"$S/original/index"
  return 1
}
