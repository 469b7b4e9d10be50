
# --- files: written beside their place, synced and renamed together -----------------------------------------------
# `place`, `link` and the like prepare; `settle` syncs all that was prepared, renames, and syncs the directories. New
# files of one directory are installed and renamed together, by way of a directory in it: a process per file is what
# an apply would spend most of its time on.

placed=      # lines: DIRECTORY MODE OWNER GROUP SOURCE
nest=.deployctl.new
prepared=    # pairs: temporary name, path
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

prepare() { # TEMPORARY PATH
  prepared="$prepared $1 .$2"
  case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
}

# clear PATH: nothing that a rename cannot replace may stand there.
clear() {
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then try rmdir -- ".$1"; fi
}

place() { # N PATH MODE OWNER GROUP
  step "place $2"
  parents "$2"
  clear "$2"
  placed="$placed.${2%/*} $3 $4 $5 $1/${2##*/}$newline"
  case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
}

# place_all: what `place` has gathered.
place_all() {
  [ -n "$placed" ] || return 0
  this='place files'
  pa_nests=' ' pa_all=$placed pa_dirs=' '
  # All nests first.
  while read -r pa_dir _; do
    case $pa_dirs in *" $pa_dir "*) continue ;; esac
    pa_dirs="$pa_dirs$pa_dir " pa_nests="$pa_nests$pa_dir/$nest "
  done <<LINES
${placed%"$newline"}
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
    install_all "$@"
  done
}

install_all() { # DIRECTORY MODE OWNER GROUP: of $pa_sources
  case $1 in /*) ia_to=$1 ;; *) ia_to=$ROOT/${1#./} ;; esac
  if [ -n "$SANDBOX" ]; then ia_account=; else ia_account="-o $3 -g $4"; fi
  (cd "$D/tree" && install -m "$2" $ia_account -t "$ia_to" -- $pa_sources) || die "\`$this\`: $(last_lines)"
}

directory() { # PATH MODE OWNER GROUP
  step "directory $1"
  parents "$1"
  if [ -h ".$1" ] || { [ -e ".$1" ] && [ ! -d ".$1" ]; }; then try rm -f -- ".$1"; fi
  if [ -n "$SANDBOX" ]; then
    try install -d -m "$2" -- ".$1"
  else
    try install -d -m "$2" -o "$3" -g "$4" -- ".$1"
  fi
  case $directories in *" .${1%/*}/ "*) ;; *) directories="$directories.${1%/*}/ " ;; esac
}

link() { # N PATH TARGET
  step "link $2"
  parents "$2"
  clear "$2"
  pl_new=.${2%/*}/.deployctl-$1.new
  try ln -sfn -- "$3" "$pl_new"
  prepare "$pl_new" "$2"
}

# A directory is only removed when it is empty: what others put there is not ours.
remove() { # PATH
  step "remove $1"
  if [ -d ".$1" ] && [ ! -h ".$1" ]; then
    try rmdir -- ".$1"
  else
    try rm -f -- ".$1"
  fi
  if [ -d ".${1%/*}/" ]; then
    case $directories in *" .${1%/*}/ "*) ;; *) directories="$directories.${1%/*}/ " ;; esac
  fi
}

rename_all() { # DIRECTORY
  ra_files=
  while read -r ra_dir _ _ _ ra_source; do
    if [ "$ra_dir" = "$1" ]; then ra_files="$ra_files $1/$nest/${ra_source##*/}"; fi
  done <<LINES
${placed%"$newline"}
LINES
  try mv -f -t "$1/" -- $ra_files
}

settle() {
  place_all
  if [ -n "$to_sync" ]; then try flush $to_sync; fi
  if [ -n "$placed" ]; then
    for se_dir in $pa_dirs; do rename_all "$se_dir"; done
    try rmdir -- $pa_nests
    placed=
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

# original N PATH: as it was before deployctl first managed it.
original() {
  if ! original_state "$2"; then
    step "original $2: never changed, stays"
    return
  fi
  step "original $2"
  put_state "$1" "$2" "$state" "$S/original/$or_generation" || die "\`$this\`: $(last_lines)"
}

# put_state N PATH STATE-LINE TREE: prepares PATH as the line says, with the bytes in TREE.
put_state() {
  read -r ps_kind _ ps_mode ps_owner ps_group _ <<LINE
$3
LINE
  ps_account=
  if [ -z "$SANDBOX" ]; then
    # Numbers here. Older records have names, and `UNKNOWN` or `_unknown` where there was none: what stands there keeps its
    # owner then.
    case $ps_owner in UNKNOWN | _unknown) ;; _[0-9]*) ps_account="-o ${ps_owner#_}" ;; *) ps_account="-o $ps_owner" ;; esac
    case $ps_group in
      UNKNOWN | _unknown) ;;
      _[0-9]*) ps_account="$ps_account -g ${ps_group#_}" ;;
      *) ps_account="$ps_account -g $ps_group" ;;
    esac
  fi
  pl_new=.${2%/*}/.deployctl-$1.new
  case $ps_kind in
    f | l)
      if [ ! -d ".${2%/*}/" ]; then mkdir -p -- ".${2%/*}" || return 1; fi
      if [ -d ".$2" ] && [ ! -h ".$2" ]; then rmdir -- ".$2" || return 1; fi
      rm -f -- "$pl_new"
      cp -a -T -- "$4/.$2" "$pl_new" || return 1
      if [ "$ps_kind" = f ]; then to_sync="$to_sync $pl_new"; fi
      prepare "$pl_new" "$2"
      ;;
    d)
      if [ -h ".$2" ] || { [ -e ".$2" ] && [ ! -d ".$2" ]; }; then rm -f -- ".$2" || return 1; fi
      install -d -m "$ps_mode" $ps_account -- ".$2"
      ;;
    a)
      if [ -d ".$2" ] && [ ! -h ".$2" ]; then
        rmdir -- ".$2" 2>/dev/null || printf 'kept: %s is not empty\n' "$2"
      else
        rm -f -- ".$2" || return 1
      fi
      if [ -d ".${2%/*}/" ]; then
        case $directories in *" .${2%/*}/ "*) ;; *) directories="$directories.${2%/*}/ " ;; esac
      fi
      ;;
    *)
      printf '%s was neither file, directory nor link\n' "$2"
      return 1
      ;;
  esac
}

# restore_path N PATH: as the checkpoint says; what is so already is not touched.
restored=' '
restore_path() {
  rp_was='' rp_now=''
  eval "rp_was=\$was_$1 rp_now=\$now_$1"
  if [ "$rp_was" = "$rp_now" ]; then return; fi
  step "restore $2"
  restored="$restored$2 "
  put_state "$1" "$2" "$rp_was" "$D/checkpoint/tree" || complain "\`$2\` is not as it was: $(last_lines)"
}

# compare_paths: reads for `restore_path` what was and what is.
compare_paths() {
  [ -s "$D/touched" ] || return 0
  states "$D/touched" numbers >"$D/now" || complain "cannot read the paths that changed"
  cmp_n=0
  exec 3<"$D/now"
  # shellcheck disable=SC2034 # used in the eval
  while IFS= read -r cmp_was; do
    IFS= read -r cmp_now <&3 || cmp_now=
    # shellcheck disable=SC2034 # read by restore_path
    eval "was_$cmp_n=\$cmp_was now_$cmp_n=\$cmp_now"
    cmp_n=$((cmp_n + 1))
  done <"$D/checkpoint/states"
  exec 3<&-
}

# Removes the directories that were made for files, if nobody else uses them.
unmake_parents() {
  [ -s "$D/made" ] || return 0
  while read -r made; do
    if [ -d ".$made" ]; then rmdir -- ".$made" 2>/dev/null || :; fi
  done <"$D/made"
}

# Temporary files that an interrupted `settle` left.
sweep() {
  sw_n=0
  while read -r sw_path; do
    if [ -e ".${sw_path%/*}/.deployctl-$sw_n.new" ] || [ -h ".${sw_path%/*}/.deployctl-$sw_n.new" ]; then
      rm -f -- ".${sw_path%/*}/.deployctl-$sw_n.new"
    fi
    if [ -d ".${sw_path%/*}/$nest" ]; then rm -rf -- ".${sw_path%/*}/$nest"; fi
    sw_n=$((sw_n + 1))
  done <"$D/touched"
}

verify_paths() {
  [ -s "$D/touched" ] || return 0
  states "$D/touched" numbers >"$D/now" || complain "cannot read the paths that changed"
  differing "$D/checkpoint/states" "$D/now"
  for vp_path in $differing; do
    # A directory that we made and others filled is kept, and was told.
    if [ -d ".$vp_path" ] && [ ! -h ".$vp_path" ] && original_absent "$vp_path" && ! rmdir -- ".$vp_path" 2>/dev/null; then
      continue
    fi
    complain "\`$vp_path\` is not as it was"
  done
}

original_absent() {
  while read -r oa_kind _ _ _ _ oa_path _; do
    if [ "$oa_path" = "$1" ]; then
      [ "$oa_kind" = a ]
      return
    fi
  done <"$D/checkpoint/states"
  return 1
}
