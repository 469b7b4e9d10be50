
# --- files: written beside their place, synced and renamed together -----------------------------------------------
# `install_file`, `make_symlink` and the like prepare; `rename_into_place` syncs all that was prepared, renames it, and syncs
# the directories. New files of one directory are installed and renamed together, by way of a directory in it: a process
# per file is what an apply would spend most of its time on.

to_install=  # lines: DIRECTORY MODE OWNER GROUP SOURCE
nest=.deployctl.new
prepared=    # pairs: temporary name, path
prepared_names=0
to_sync=
directories=' '

# parents PATH: makes its missing parent directories and writes them down before.
parents() {
  pa_directory=${1%/*}
  if [ -z "$pa_directory" ] || [ -d ".$pa_directory" ]; then return; fi
  pa_up=$pa_directory
  while [ -n "$pa_up" ] && [ ! -d ".$pa_up" ]; do
    printf '%s\n' "$pa_up" >>"$D/made" || die "cannot write down what is made"
    pa_up=${pa_up%/*}
  done
  umask 022
  try mkdir -p -- ".$pa_directory"
  umask 077
}

# note_directory PATH: its directory will be synced.
note_directory() {
  case $directories in *" .${1%/*}/ "*) ;; *) directories="$directories.${1%/*}/ " ;; esac
}

# temporary_name PATH: one beside it in $temporary, which `sweep` knows.
temporary_name() {
  prepared_names=$((prepared_names + 1))
  temporary=.${1%/*}/.deployctl-$prepared_names.new
}

# prepare PATH: $temporary will be renamed to it.
prepare() {
  prepared="$prepared $temporary .$1"
  note_directory "$1"
}

# clear PATH: removes what a rename cannot replace.
clear() {
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then try rmdir -- ".$1"; fi
}

install_file() { # PATH MODE OWNER GROUP
  step "place $1" install_file "$1"
  parents "$1"
  clear "$1"
  to_install="$to_install.${1%/*} $2 $3 $4 .$1$newline"
  note_directory "$1"
}

# install_all: what `install_file` has gathered, beside its place.
install_all() {
  [ -n "$to_install" ] || return 0
  this='place files'
  pa_nests=' ' pa_all=$to_install pa_dirs=' '
  # All nests first.
  while read -r pa_dir _; do
    case $pa_dirs in *" $pa_dir "*) continue ;; esac
    pa_dirs="$pa_dirs$pa_dir " pa_nests="$pa_nests$pa_dir/$nest "
  done <<LINES
${to_install%"$newline"}
LINES
  try mkdir -- $pa_nests
  # One `install` for all that agree in directory, mode and owner.
  while [ -n "$pa_all" ]; do
    pa_key='' pa_rest='' pa_sources=''
    while read -r pa_dir pa_mode pa_owner pa_group pa_source; do
      if [ -z "$pa_key" ]; then
        pa_key="$pa_dir $pa_mode $pa_owner $pa_group"
        set -- "$pa_dir/$nest" "$pa_mode" "$pa_owner" "$pa_group"
      fi
      if [ "$pa_key" = "$pa_dir $pa_mode $pa_owner $pa_group" ]; then
        pa_sources="$pa_sources $pa_source"
        to_sync="$to_sync $pa_dir/$nest/${pa_source##*/}"
      else
        pa_rest="$pa_rest$pa_dir $pa_mode $pa_owner $pa_group $pa_source$newline"
      fi
    done <<LINES
${pa_all%"$newline"}
LINES
    pa_all=$pa_rest
    install_group "$@"
  done
}

install_group() { # DIRECTORY MODE OWNER GROUP: of $pa_sources
  case $1 in /*) ig_to=$1 ;; *) ig_to=$ROOT/${1#./} ;; esac
  owner_options "$3" "$4"
  (cd "$D/tree" && install -m "$2" $owner_options -t "$ig_to" -- $pa_sources) || die "\`$this\`: $(last_lines)"
}

# owner_options OWNER GROUP: sets $owner_options to the options of `install` for them.
owner_options() { owner_options="-o $1 -g $2"; }

make_directory() { # PATH MODE OWNER GROUP
  step "directory $1" make_directory "$1"
  parents "$1"
  if [ -h ".$1" ] || { [ -e ".$1" ] && [ ! -d ".$1" ]; }; then try rm -f -- ".$1"; fi
  owner_options "$3" "$4"
  try install -d -m "$2" $owner_options -- ".$1"
  note_directory "$1"
}

make_symlink() { # PATH TARGET
  step "link $1" make_symlink "$1"
  parents "$1"
  clear "$1"
  temporary_name "$1"
  try ln -sfn -- "$2" "$temporary"
  prepare "$1"
}

# remove_path PATH: a directory only where it is empty, since what others put there is not ours.
remove_path() {
  step "remove $1" remove_path "$1"
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then
    try rmdir -- ".$1"
  else
    try rm -f -- ".$1"
  fi
  if [ -d ".${1%/*}/" ]; then note_directory "$1"; fi
}

rename_all() { # DIRECTORY
  ra_files=
  while read -r ra_dir _ _ _ ra_source; do
    if [ "$ra_dir" = "$1" ]; then ra_files="$ra_files $1/$nest/${ra_source##*/}"; fi
  done <<LINES
${to_install%"$newline"}
LINES
  try mv -f -t "$1/" -- $ra_files
}

rename_into_place() {
  install_all
  if [ -n "$to_sync" ]; then try flush $to_sync; fi
  if [ -n "$to_install" ]; then
    for se_dir in $pa_dirs; do rename_all "$se_dir"; done
    try rmdir -- $pa_nests
    to_install=
  fi
  set -- $prepared
  while [ $# -gt 0 ]; do
    try mv -fT -- "$1" "$2"
    shift 2
  done
  sync_directories
  prepared='' to_sync='' directories=' '
}

# sync_directories: those that are still there. One that went away since was ours, and its own parent is among them.
sync_directories() {
  sd_there=
  for sd_directory in $directories; do
    if [ -d "$sd_directory" ]; then sd_there="$sd_there $sd_directory"; fi
  done
  [ -n "$sd_there" ] || return 0
  this='sync directories'
  try flush $sd_there
}

# restore_original PATH: as it was before deployctl first managed it.
restore_original() {
  if ! original_state "$1"; then
    begin "original $1: never changed, stays"
    return
  fi
  step "original $1" restore_original "$1"
  put_state "$1" "$state" "$S/original/$or_generation" || die "\`$this\`: $(last_lines)"
}

# put_state PATH STATE-LINE TREE: prepares PATH as the line says, with the bytes in TREE.
put_state() {
  read -r ps_kind _ ps_mode ps_owner ps_group _ <<LINE
$2
LINE
  case $ps_kind in
    f | l)
      if [ ! -d ".${1%/*}/" ]; then mkdir -p -- ".${1%/*}" || return 1; fi
      if [ -d ".$1" ] && [ ! -h ".$1" ]; then rmdir -- ".$1" || return 1; fi
      temporary_name "$1"
      rm -f -- "$temporary"
      cp -a -T -- "$3/.$1" "$temporary" || return 1
      if [ "$ps_kind" = f ]; then to_sync="$to_sync $temporary"; fi
      prepare "$1"
      ;;
    d)
      if [ -h ".$1" ] || { [ -e ".$1" ] && [ ! -d ".$1" ]; }; then rm -f -- ".$1" || return 1; fi
      recorded_owner_options "$ps_owner" "$ps_group"
      install -d -m "$ps_mode" $owner_options -- ".$1"
      ;;
    a)
      if [ -d ".$1" ] && [ ! -h ".$1" ]; then
        rmdir -- ".$1" 2>/dev/null || printf 'kept: %s is not empty\n' "$1"
      else
        rm -f -- ".$1" || return 1
      fi
      if [ -d ".${1%/*}/" ]; then note_directory "$1"; fi
      ;;
    *)
      printf '%s was neither file, directory nor link\n' "$1"
      return 1
      ;;
  esac
}

# recorded_owner_options OWNER GROUP: the same as `owner_options` for those of a record: numbers. Older records have names,
# and `UNKNOWN` or `_unknown` where there was none; the file at the path then keeps its owner.
recorded_owner_options() {
  case $1 in UNKNOWN | _unknown) owner_options= ;; _[0-9]*) owner_options="-o ${1#_}" ;; *) owner_options="-o $1" ;; esac
  case $2 in
    UNKNOWN | _unknown) ;;
    _[0-9]*) owner_options="$owner_options -g ${2#_}" ;;
    *) owner_options="$owner_options -g $2" ;;
  esac
}

# restore_path PATH: as the checkpoint says. What `compare_paths` found unchanged is not touched.
restore_path() {
  case $changed_paths in *" $1 "*) ;; *) return ;; esac
  begin "restore $1"
  if ! checkpointed_state "$1" || ! put_state "$1" "$state" "$D/checkpoint/tree"; then
    note_leftover "\`$1\` is not as it was: $(last_lines)"
  fi
}

# checkpointed_state PATH: its line of the checkpoint, in $state.
checkpointed_state() {
  while IFS= read -r state; do
    cs_rest=${state#* * * * * }
    if [ "${cs_rest%% *}" = "$1" ]; then return 0; fi
  done <"$D/checkpoint/states"
  return 1
}

# compare_paths: in $changed_paths, those that are no longer as the checkpoint says.
changed_paths=' '
compare_paths() {
  [ -s "$D/touched" ] || return 0
  states "$D/touched" numbers >"$D/now" || note_leftover "cannot read the paths that changed"
  differing "$D/checkpoint/states" "$D/now"
  changed_paths="$differing "
}

# remove_made_directories: those that were made for files, where nothing else is in them.
remove_made_directories() {
  [ -s "$D/made" ] || return 0
  while read -r made; do
    if [ -d ".$made" ]; then rmdir -- ".$made" 2>/dev/null || :; fi
  done <"$D/made"
}

# sweep: removes the temporary files that an interrupted `rename_into_place` left.
sweep() {
  sw_directory=-
  while read -r sw_path; do
    if [ "${sw_path%/*}" = "$sw_directory" ]; then continue; fi
    sw_directory=${sw_path%/*}
    for sw_file in ".$sw_directory"/.deployctl-*.new; do
      if [ -e "$sw_file" ] || [ -h "$sw_file" ]; then rm -f -- "$sw_file"; fi
    done
    if [ -d ".$sw_directory/$nest" ]; then rm -rf -- ".$sw_directory/$nest"; fi
  done <"$D/touched"
}

verify_paths() {
  compare_paths
  for vp_path in $changed_paths; do
    # A directory that we made and others filled is kept, and was told.
    if [ -d ".$vp_path" ] && [ ! -h ".$vp_path" ] && was_absent "$vp_path" && ! rmdir -- ".$vp_path" 2>/dev/null; then
      continue
    fi
    note_leftover "\`$vp_path\` is not as it was"
  done
}

was_absent() { # PATH
  checkpointed_state "$1" || return 1
  case $state in a' '*) return 0 ;; esac
  return 1
}
