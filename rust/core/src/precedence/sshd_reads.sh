# sshd_reads: every file that sshd reads, one a line: the main file, and those that one names in `Include`.
sshd_reads() {
  set +f
  sr_next=/etc/ssh/sshd_config sr_seen='
'
  while [ -n "$sr_next" ]; do
    # shellcheck disable=SC2086 # paths, and patterns of paths
    set -- $sr_next
    for sr_file do
      shift
      case $sr_seen in *"
$sr_file
"*) continue ;; esac
      if [ ! -f "$sr_file" ]; then continue; fi
      sr_seen="$sr_seen$sr_file
"
      set -- "$@" "$sr_file"
    done
    if [ "$#" -eq 0 ]; then break; fi
    sr_next=$(awk '
      tolower($0) ~ /^[ \t]*include[ \t="]/ {
        gsub(/["=]/, " ")
        for (i = 2; i <= NF && $i !~ /^#/; i++) print ($i ~ /^\// ? "" : "/etc/ssh/") $i
      }' "$@")
  done
  printf %s "${sr_seen#?}"
}
