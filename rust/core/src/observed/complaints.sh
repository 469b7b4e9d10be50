# netplan_complaints: what netplan says of the first line that it does not take, without that line and without the values
# that it quotes: netplan's files hold passwords and keys. It reads copies, so that nothing is written where services read.
netplan_complaints() {
  nc_copy=${own:?}.netplan
  set --
  for nc_place in /etc/netplan /lib/netplan /run/netplan; do
    if [ -d "$nc_place" ]; then set -- "$@" "$nc_place"; fi
  done
  if [ "$#" -eq 0 ] || ! mkdir "$nc_copy" || ! cp -RL --parents "$@" "$nc_copy"; then return 0; fi
  # The program behind netplan's own starts in a hundredth of the time.
  for nc_program in /usr/libexec/netplan/generate /lib/netplan/generate ''; do
    if [ -x "$nc_program" ]; then break; fi
  done
  if [ -n "$nc_program" ]; then set -- "$nc_program"; else set -- netplan generate; fi
  "$@" --root-dir "$nc_copy" 2>&1 | sed -n \
    -e "s|.*$nc_copy\(/[^:]*:[0-9]*\):[0-9]*: [A-Z][^:]*: |netplan \1 |" -e 't told' -e d \
    -e ':told' -e "/ unknown key '/!s/'[^']*'/'…'/g" -e 's/:$//' -e p
}

# sshd_complaints: the lines that sshd does not take. What is only deprecated is no complaint where it takes the rest, nor
# where it ends for another reason.
sshd_complaints() {
  sc_said=$(sshd -t 2>&1) && return
  case ${sc_said##*"
"} in /*) ;; *) return ;; esac
  printf '%s\n' "$sc_said" | sed -n 's|^\(/[^:]*[^: ]\):\{0,1\} line \([0-9]\{1,\}\): |sshd \1:\2 |p'
}
