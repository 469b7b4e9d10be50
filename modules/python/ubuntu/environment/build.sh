# Makes an environment of Python from a project and its lock, by uv: a program of `[artifact.build]`, which stage.sh reads.
# shellcheck shell=sh disable=SC2154,SC2086
#
# It is made relocatable, since it gets its name only when it is whole. uv checks each wheel's hash against the lock, and what it
# keeps in its cache is the same bytes on the disk as what the environment has.

uv=$J/uv
program=$J/program
project=$J/inputs
secrets=$RUNTIME_DIRECTORY
# What programs for other distributions are started by on NixOS; elsewhere it means nothing.
loader=/run/current-system/sw/share/nix-ld/lib
trap 'rm -f "$uv" "$secrets/netrc" "$J/said" "$J/plan" "$J/out"' EXIT

# run_uv ARGUMENTS...: with no settings but the project's, and what it says in $J/said.
run_uv() {
  env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME="$J" NETRC="$secrets/netrc" UV_NO_SYSTEM_CONFIG=1 UV_SYSTEM_CERTS=1 UV_NO_PROGRESS=1 \
    NIX_LD="$loader/ld.so" NIX_LD_LIBRARY_PATH="$loader" UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR="$cache/uv" UV_LINK_MODE=hardlink UV_PROJECT_ENVIRONMENT="$part" \
    "$uv" --directory "$project" --color never "$@" >"$J/out" 2>"$J/said" </dev/null
}

# complaint: what uv gives as the error and as its causes, in one line in $complaint: of many causes, what was fetched and the last.
complaint() {
  cat "$J/said"
  complaint='' causes=0
  fetching=$(sed -n 's/^  cause: \(Failed to fetch: .*\)/\1/p' "$J/said" | head -n 1)
  while IFS= read -r co_line; do
    case $co_line in
      'error: '*) complaint=${co_line#error: } ;;
      '  cause: '*) causes=$((causes + 1)) last=${co_line#  cause: } ;;
    esac
  done <"$J/said"
  if [ -z "$complaint" ]; then complaint=$(tail -n 3 "$J/said"); fi
  if [ "$causes" -gt 1 ] && [ -n "$fetching" ]; then complaint="$complaint: $fetching"; fi
  if [ "$causes" -gt 0 ]; then complaint="$complaint: $last"; fi
}

# give_up HINT: ends the job with what uv said.
give_up() {
  complaint
  fail "uv: $complaint" "$1"
}

# unpack_uv: from its wheel, which stage.sh has fetched and verified. Any Python can unpack it.
unpack_uv() {
  case $python in
    /*) un_python=$python ;;
    *) un_python=$(command -v "python$python" || command -v python3) || un_python="python$python" ;;
  esac
  "$un_python" -I -B -c '' 2>/dev/null ||
    fail "there is no interpreter \`$un_python\` on the host" "$install_python"
  "$un_python" -I -B "$program/unpack.py" "$into/$uv_wheel" "$uv" ||
    fail "\`$uv_wheel\` holds no uv" 'the wheel of uv has it in `uv-VERSION.data/scripts`'
  run_uv --version || {
    un_hint="take the wheel for $(uname -m)"
    if [ -e /etc/NIXOS ]; then un_hint="$un_hint whose name has \`musllinux\`: it needs no loader of another distribution"; fi
    fail "uv of \`$uv_wheel\` does not run on this host: $(one_line "$(cat "$J/said")")" "$un_hint"
  }
  tell "$(cat "$J/out")"
}

# write_netrc: logins for indexes, in memory alone.
write_netrc() {
  netrc=$(logins) || exit 1
  if [ -n "$netrc" ]; then printf '%s\n' "$netrc" | offer netrc || exit 1; fi
}

# logins: prints them; what goes wrong is for the log.
logins() {
  sed -n 's/^secret //p' "$J/wanted" | while read -r wn_file wn_user wn_host; do
    read_line "$wn_file"
    case $line in
      '') fail "\`$wn_file\` is missing or empty" "declare it in \`cluster.secrets\`, and an apply opens it first; or put the password of \`$wn_user\` at $wn_host there, in one line, readable by root alone" >&2 ;;
      *[[:space:]]*) fail "\`$wn_file\` holds no password: it has blanks" 'put the password there alone, in one line' >&2 ;;
    esac
    printf 'machine %s login %s password %s\n' "$wn_host" "$wn_user" "$line"
  done
}

find_interpreter() {
  run_uv python find --no-project --no-managed-python "$python" || {
    complaint
    fail "there is no interpreter \`$python\` on the host: $complaint" "$install_python"
  }
  interpreter=$(cat "$J/out")
  # What Nix has in its store it may remove once no system has it any more.
  fi_path=$(readlink -f "$interpreter")
  case $fi_path in
    /nix/store/*)
      interpreter=$fi_path
      fi_path=${fi_path#/nix/store/}
      hold "/nix/store/${fi_path%%/*}"
      ;;
  esac
}

# check_lock: the lock is of this project. Without the network first, and no answer of the cache counts.
check_lock() {
  if run_uv lock --check --offline --no-cache --python "$interpreter"; then return; fi
  if run_uv lock --check --python "$interpreter"; then return; fi
  # It resolves anew where the lock does not answer the project.
  if grep -qF -e 'needs to be updated' -e 'No solution found' "$J/said"; then
    cat "$J/said"
    fail '`uv.lock` is not of this `pyproject.toml`' 'make a new one beside it: `uv lock`, and commit it'
  fi
  judge_uv
}

# sync ARGUMENTS...: what the lock has for this host, and nothing that has to be compiled.
sync_with() {
  # shellcheck disable=SC2086 # words of options
  run_uv sync --frozen --no-dev --no-build --no-install-project --python "$interpreter" $options "$@"
}

# ask_cache: in $packages and $new how many uv would install and how many of them it has to fetch, in $bytes their wheels.
ask_cache() {
  read -r packages new bytes <<LINE
$("$interpreter" -I -B "$program/room.py" "$project/uv.lock" "$J/plan" "$cache/uv")
LINE
  [ -n "$bytes" ] || fail 'cannot tell how much has to be fetched' "see \`$J/log\` on the host"
}

check_room() {
  sync_with --dry-run || judge_uv
  mv -f -- "$J/said" "$J/plan"
  ask_cache
  to_fetch=$bytes
  tell "$packages packages, $new of them to fetch, $bytes bytes of wheels"
  write_line "$J/note" "uv installs $packages packages, $new of them to be fetched"
  # Unpacked, wheels of numbers and code take twice to three times as much.
  need_room "$((bytes * 3 / 1024 + 1))"
}

# judge_uv: why uv ended, and the next step.
judge_uv() {
  complaint
  case $complaint in
    *'No space left'*) fail "uv: $complaint" "\`deployctl gc\` shows what it can free; else \`du -xh --max-depth=2 $w_base | sort -h | tail\`" ;;
    *'Hash mismatch'*) fail "uv: $complaint" 'nothing of it is kept: the index has another file than the one that was locked' ;;
    *'(401 '* | *'(403 '*) fail "uv: $complaint" 'declare a login for that host as `credential`, or see whether the one that is there is valid' ;;
    *'invalid peer certificate'*)
      fail "uv: $complaint" 'see whether the clock of the host is right, and whether it has the certificate of that authority' ;;
    *'(404 '* | *'(410 '*) fail "uv: $complaint" 'the index does not have that file any more: lock again' ;;
    *'(429 '* | *'(5'[0-9][0-9]' '* | *' (os error '* | *'timed out'* | *'dns error'*)
      fail "uv: $complaint" 'what came so far is kept: stage again when the index answers' ;;
    *'has no binary distribution'* | *"can't be installed because it doesn't have a"*)
      fail "uv: $complaint" "the lock has no wheel of it for $(uname -m) and $("$interpreter" -V); packages are not compiled on hosts" ;;
    *'incompatible with the project'*) fail "uv: $complaint" 'name another interpreter as `python`, or change `requires-python` and lock again' ;;
  esac
  fail "uv: $complaint" "see \`$J/log\` on the host"
}

# install: into a new environment, since one that was cut off may lack files.
install() {
  rm -rf -- "$part"
  run_uv venv --no-project --relocatable --python "$interpreter" "$part" || give_up "see \`$J/log\` on the host"
  sync_with || judge_uv
  cat "$J/said"
  ask_cache
  count_fetched "$bytes" "$to_fetch"
  to_fetch=$bytes
  rm -f -- "$part/.lock" "$part/.gitignore" "$part/CACHEDIR.TAG"
}

# list_files: into $J/files, with their hashes. Fails where a file is not what its wheel says.
list_files() {
  "$interpreter" -I -B "$program/list.py" "$part" "$J/files"
}

install_python='install Python first: `apt-get install python3`, or name another one as `python`'
if [ -e /run/current-system ]; then
  install_python="name another one as \`python\`, or let a system bring it: \`extra.packages\`; apply that first, then stage again"
fi
options=''
for extra in $extras; do options="$options --extra $extra"; done
for group in $groups; do options="$options --group $group"; done
unpack_uv
write_netrc
find_interpreter
check_lock
rm -rf -- "$part"
run_uv venv --no-project --relocatable --python "$interpreter" "$part" || give_up "see \`$J/log\` on the host"
check_room
install
list_files || {
  tell 'a file is not what its wheel says: once more, without what was kept'
  rm -rf -- "$cache/uv"
  ask_cache
  to_fetch=$bytes
  install
  list_files || fail "what uv installed is not what the wheels say: see \`$J/log\`" 'the disk returns other bytes than were written: `dmesg`, `smartctl -a`'
}
