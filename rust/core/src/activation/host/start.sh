
# --- start: nothing is changed before the dead-man timer is armed ------------------------------------------------------------

refuse() { # CODE TEXT
  rm -f "$D/ballast"
  rm -rf "$D/archives" "$D/lists"
  printf '%s %s\n' "$1" "$2" | tr -d '\000-\011\013-\037\177' >"$D/failure"
  set_phase refused
  disarm
  release_lease
  answer 9
}

start() { # [--steal | --validate]
  read_meta
  if [ "${1-}" = --validate ]; then
    . "$D/validate.sh"
    exit 0
  fi
  lock_work 0 || answer 1
  phase
  [ "$phase" = staged ] || answer 1
  : >>"$D/log"
  : >"$D/journal"
  boot_id
  printf '%s\n' "$boot" >"$D/boot"
  check_layout
  take_lease "${1-}"
  check_generation
  check_stale
  check_space
  rm -f "$D/why" "$D/later"
  validate || {
    read_line "$D/why"
    refuse "${line%% *}" "${line#* }"
  }
  set_phase validated
  rm -rf "$D/checkpoint"
  mkdir "$D/checkpoint" "$D/checkpoint/tree"
  (. "$D/checkpoint.sh") >>"$D/log" 2>&1 9>&- || {
    read_line "$D/why"
    refuse checkpoint "${line:-$(last_lines)}"
  }
  set_phase checkpointed
  reserve
  arm
  set_phase armed || refuse space "cannot write down that the dead-man timer is armed"
  if [ -z "$manager" ]; then
    activate
    case $phase in
      activated) answer 0 ;;
      rolled-back) answer 5 ;;
      *) answer 6 ;;
    esac
  fi
  launch >>"$D/log" 2>&1 || refuse arm "cannot start the activation: $(last_lines)"
  unlock_work
  answer 0
}

check_layout() {
  case $manager in
    launchd) cl_tools='launchctl sysctl' ;;
    *) cl_tools='systemctl systemd-run flock unshare sha256sum stat install' ;;
  esac
  if [ -n "$m_kind" ]; then cl_tools="$cl_tools nix-env nix-store readlink timeout comm xargs"; fi
  for cl_tool in $cl_tools; do
    command -v "$cl_tool" >/dev/null || refuse layout "\`$cl_tool\` is not installed"
  done
  if [ "$manager" = systemd ] && [ ! -d /run/systemd/system ]; then refuse layout "systemd does not run this host"; fi
  chmod 0700 "$S"
  cl_list="$S"
  while read -r cl_path; do cl_list="$cl_list $cl_path"; done <"$D/parents"
  stat -L -c '%u %g %a %F|%n' -- $cl_list >"$D/.parents" 2>/dev/null
  while read -r cl_user cl_group cl_mode cl_rest; do
    cl_path=${cl_rest#*|}
    case $cl_rest in
      directory*) ;;
      *)
        # This apply only removes it, and it is gone already.
        if grep -qxF -e "$cl_path" "$D/leaving"; then continue; fi
        refuse layout "\`$cl_path\` is not a directory"
        ;;
    esac
    if [ "$cl_user" != 0 ]; then refuse layout "\`$cl_path\` is not owned by root, so files in it cannot be managed"; fi
    case $cl_mode in
      *[2367]) refuse layout "\`$cl_path\` is writable by everybody, so files in it cannot be managed" ;;
      *[2367]?) if [ "$cl_group" != 0 ]; then refuse layout "\`$cl_path\` is writable by its group, so files in it cannot be managed"; fi ;;
    esac
  done <"$D/.parents"
}

take_lease() { # [--steal]
  exec 8>>"$S/lock"
  lock 8 30 || refuse lock "another call of deployctl is busy on this host"
  if read_lease && [ "$lease_apply" != "$ID" ]; then
    (end_other "${1-}") 8>&- 9>&- || {
      read_line "$D/why"
      refuse lock "$line"
    }
  fi
  printf 'apply %s\nholder %s\n' "$ID" "$m_holder" >"$S/lease.new" || refuse space "cannot write the lease"
  mv -f "$S/lease.new" "$S/lease" || refuse space "cannot write the lease"
  if ! cmp -s "$D/host.sh" "$S/host.sh"; then
    cp "$D/host.sh" "$S/host.sh.new"
    flush "$S/host.sh.new"
    mv -f "$S/host.sh.new" "$S/host.sh"
  fi
  exec 8>&-
  forget_applies
}

# end_other [--steal]: ends the apply that has the lease if it is not over; if that fails, $D/why names it. Only its own
# program works on it; here its holder, phase and deadline are read.
end_other() {
  so_mine=$D
  find_apply "$lease_apply" || exit 0
  if [ -n "$1" ]; then
    sh "$D/host.sh" rollback "$ID" --stolen >/dev/null 2>&1
  else
    sh "$D/host.sh" recover "$ID" >/dev/null 2>&1
  fi
  find_apply "$ID" || exit 0
  read_meta
  phase
  case $phase in committed | rolled-back | refused) exit 0 ;; esac
  so_text="apply \`$ID\` of \`$m_holder\` holds this host: $phase"
  if [ "$phase" = rollback-failed ]; then
    so_text="$so_text; try again with \`sh $S/host.sh rollback\`, or take the host as it is with \`sh $S/host.sh rollback --abandon\`"
  elif time_left; then
    so_text="$so_text, $left s left"
  fi
  printf '%s\n' "$so_text" >"$so_mine/why"
  exit 1
}

# Only the last few refused and rolled back applies are kept.
forget_applies() {
  fa_list=
  fa_count=0
  for fa_directory in "$S"/applies/*; do
    if [ "$fa_directory" = "$D" ]; then continue; fi
    read_line "$fa_directory/phase"
    case $line in refused | rolled-back) ;; *) continue ;; esac
    fa_list="$fa_list ${fa_directory##*/}"
    fa_count=$((fa_count + 1))
  done
  for fa_id in $fa_list; do
    if [ "$fa_count" -le 5 ]; then return; fi
    rm -rf "$S/applies/$fa_id"
    fa_count=$((fa_count - 1))
  done
}

# check_generation: compares the number of the generation with the directories on the host. If they differ, a commit would
# write over a generation with the same number.
check_generation() {
  generation
  cg_known=$?
  newest_generation
  if [ "$newest" -eq 0 ] && [ "$cg_known" -ne 0 ] && [ ! -s "$S/generation" ]; then return; fi
  if [ "$cg_known" -ne 0 ] || [ "$generation" -lt "$newest" ]; then
    if [ "$cg_known" -eq 0 ]; then
      cg_says="says $generation"
    elif [ -e "$S/generation" ]; then
      cg_says='says no number'
    else
      cg_says='is missing'
    fi
    refuse layout "\`/var/lib/deployctl/generation\` $cg_says, and the newest generation of this host is $newest; if that is what runs here, write it there: \`echo $newest >/var/lib/deployctl/generation\`"
  fi
}

check_stale() {
  if [ "$generation" != "$m_base" ]; then
    refuse stale "the plan starts from generation $m_base, and the host is at generation $generation"
  fi
  if [ -n "$m_boot" ] && [ "$m_boot" != "$boot" ]; then
    refuse stale "the host has booted since the plan was made"
  fi
  if [ -n "$m_system" ]; then check_running_system; fi
  states "$D/touched" >"$D/found" 2>>"$D/log" || refuse stale "cannot read the paths that would change: $(last_lines)"
  differing "$D/before" "$D/found"
  if [ -n "$differing" ]; then
    set -- $differing
    refuse stale "\`$1\` has changed since the plan was made$(if [ $# -gt 1 ]; then printf ', and %s more' "$(($# - 1))"; fi)"
  fi
}

check_running_system() {
  what_runs
  if [ "$sys_current" != "$m_system" ]; then
    refuse stale "another system runs since the plan was made: \`/run/current-system\` leads to \`$sys_current\`"
  fi
}

# reserve: keeps room for the rollback, in case the disk becomes full. The bytes are random, since some file systems compress.
reserve() {
  re_kib=$(du -sk "$D/checkpoint" 2>/dev/null) || re_kib=0
  re_kib=${re_kib%%[!0-9]*}
  head -c "$(((${re_kib:-0} + 256) * 1024))" /dev/urandom >"$D/ballast" 2>>"$D/log" ||
    refuse space "no room is left to put this apply back"
}

check_space() {
  df -Pk "$S" "${ROOT:-/}" >"$D/.space" 2>>"$D/log" || return
  while read -r _ _ _ cs_free _ cs_mount; do
    case $cs_free in *[!0-9]*) continue ;; esac
    if [ "$cs_free" -lt "$m_required_kib" ]; then
      refuse space "\`$cs_mount\` has $cs_free KiB free, and the apply needs $m_required_kib KiB"
    fi
  done <"$D/.space"
}
