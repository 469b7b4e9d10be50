# sshd_reads: the files that sshd reads, in $sshd_files, one a line: the main file, those that one names in `Include`, and
# those of the directory that distributions include. It starts no process.
sshd_reads() {
  sr_newline='
'
  sr_blank=" 	=\"" sr_ifs=" 	$sr_newline"
  sshd_files=$sr_newline
  sr_next='/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf'
  while [ -n "$sr_next" ]; do
    set +f
    # shellcheck disable=SC2086 # paths, and patterns of paths
    set -- $sr_next
    set -f
    sr_next=
    for sr_file do
      case $sshd_files in *"$sr_newline$sr_file$sr_newline"*) continue ;; esac
      if [ ! -f "$sr_file" ] || [ ! -r "$sr_file" ]; then continue; fi
      sshd_files=$sshd_files$sr_file$sr_newline
      while IFS=$sr_blank read -r sr_word sr_rest || [ -n "$sr_word" ]; do
        case $sr_word in [Ii][Nn][Cc][Ll][Uu][Dd][Ee]) ;; *) continue ;; esac
        IFS=$sr_blank
        for sr_path in $sr_rest; do
          case $sr_path in
            '') ;;
            '#'*) break ;;
            /*) sr_next="$sr_next $sr_path" ;;
            *) sr_next="$sr_next /etc/ssh/$sr_path" ;;
          esac
        done
        IFS=$sr_ifs
      done <"$sr_file"
    done
  done
  set +f
}
