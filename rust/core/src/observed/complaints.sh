# netplan_complaints: what netplan says of the first line that it does not take, without that line and without the values
# that it quotes: netplan's files hold passwords and keys. It reads copies, so that nothing is written where services read.
netplan_complaints() {
  nc_copy=$0.netplan
  mkdir "$nc_copy" || return 0
  for nc_place in etc lib run; do
    if [ -d "/$nc_place/netplan" ]; then
      mkdir -p "$nc_copy/$nc_place" && cp -RL "/$nc_place/netplan" "$nc_copy/$nc_place/" || return 0
    fi
  done
  # The program behind netplan's own starts in a hundredth of the time.
  for nc_program in /usr/libexec/netplan/generate /lib/netplan/generate ''; do
    if [ -x "$nc_program" ]; then break; fi
  done
  if [ -n "$nc_program" ]; then set -- "$nc_program"; else set -- netplan generate; fi
  "$@" --root-dir "$nc_copy" 2>&1 |
    sed -n "s|.*$nc_copy\(/[^:]*:[0-9]*\):[0-9]*: [A-Z][^:]*: |netplan \1 |p" |
    sed -e "/ unknown key '/!s/'[^']*'/'…'/g" -e 's/:$//'
}

# sshd_complaints: the lines that sshd does not take. What is only deprecated is no complaint where it takes the rest.
sshd_complaints() {
  sc_said=$(sshd -t 2>&1) && return
  printf '%s\n' "$sc_said" | sed -n 's|^\(/[^:]*[^: ]\):\{0,1\} line \([0-9]\{1,\}\): |sshd \1:\2 |p'
}
