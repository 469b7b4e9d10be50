
# --- live values -------------------------------------------------------------------------------------------------

# read_sysctl KEY: the value in $value, blanks made single. KEY is the path below /proc/sys.
read_sysctl() {
  # Not by `read`: it asks byte by byte, and these files have an answer only to the first question.
  value=$(cat "/proc/sys/$1" 2>/dev/null) || return 1
  set -f
  value=$(printf '%s ' $value)
  set +f
  value=${value% }
}

sysctl_set() { # KEY VALUE
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 = $2"
    return
  fi
  step "sysctl $1 = $2"
  [ -e "/proc/sys/$1" ] || die "\`$this\`: the kernel has no such setting"
  write_sysctl "$1" "$2" || die "\`$this\`: $why"
}

# write_sysctl KEY VALUE: fails with the kernel's reason in $why.
write_sysctl() {
  why=$(printf '%s\n' "$2" | tee "/proc/sys/$1" 2>&1 >/dev/null) && return
  case $why in
    *'Read-only file system') why="\`/proc/sys\` is read-only here (a container?)" ;;
    *) why="the kernel does not take it${why:+: ${why##*: }}" ;;
  esac
  return 1
}

sysctl_original() { # KEY
  if [ -n "$SANDBOX" ]; then
    skip "sysctl $1 as it was"
  elif saved "$S/original/sysctls" "$1"; then
    sysctl_set "$1" "$value"
  fi
}

sysctl_back() { # KEY
  if [ -n "$SANDBOX$boot_mode" ] || ! checkpointed sysctls "$1"; then return; fi
  sb_was=$value
  if read_sysctl "$1" && [ "$value" = "$sb_was" ]; then return; fi
  step "sysctl $1 = $sb_was"
  write_sysctl "$1" "$sb_was" || :
  if ! read_sysctl "$1" || [ "$value" != "$sb_was" ]; then complain "sysctl \`$1\` is \`$value\` and was \`$sb_was\`"; fi
}

module_loaded() {
  ml_name=$(printf '%s' "$1" | tr - _)
  [ -d "/sys/module/$ml_name" ]
}

module() { # NAME
  if [ -n "$SANDBOX" ]; then
    skip "module $1"
    return
  fi
  step "module $1"
  try modprobe -- "$1"
}

module_back() { # NAME
  if [ -n "$SANDBOX$boot_mode" ] || checkpointed modules "$1" || ! did "module $1"; then return; fi
  if ! module_loaded "$1"; then return; fi
  step "unload module $1"
  modprobe -r -- "$1" || printf 'kept: module %s is in use\n' "$1"
}

# --- follow-ups -------------------------------------------------------------------------------------------------------

# follow WORD COMMAND…: a step that a sandbox leaves out.
follow() {
  fo_word=$1
  shift
  if [ -n "$SANDBOX" ]; then
    skip "$fo_word"
    return
  fi
  step "$fo_word"
  try "$@"
}

sysusers() { follow sysusers systemd-sysusers "$@"; }
tmpfiles() { follow tmpfiles make_tmpfiles "$@"; }
udev() { follow udev reload_udev; }
daemon_reload() { follow daemon-reload systemctl daemon-reload; }
initramfs() { follow initramfs update-initramfs -u; }
bootloader() { follow bootloader update-grub; }
firewall() { follow firewall load_firewall "$@"; }

# sweep_accounts: a systemd-sysusers that was killed leaves copies of the account files, with the passwords in them.
sweep_accounts() {
  if [ -n "$SANDBOX" ] || ! did sysusers || [ ! -e "$D/checkpoint/states" ]; then return; fi
  find ./etc -maxdepth 1 -type f -newer "$D/checkpoint/states" \
    \( -name '.#passwd*' -o -name '.#group*' -o -name '.#shadow*' -o -name '.#gshadow*' \) -delete || :
}

# A container has none, or may not write to /sys.
udev_runs() { command -v udevadm >/dev/null && [ -S /run/udev/control ]; }

reload_udev() {
  if ! udev_runs; then
    printf 'skip: no udev runs here\n'
    return
  fi
  udevadm control --reload || return 1
  if [ ! -w /sys ]; then
    printf 'skip: udev cannot try its devices again, since /sys is read-only here\n'
    return
  fi
  udevadm trigger && udevadm settle --timeout=30
}

# systemd before 250 does not know `:MODE`, which leaves alone what is there already. What is there is left out for it.
make_tmpfiles() { # FILE…
  if [ "$(systemd_version)" -lt 250 ]; then
    mt_n=0
    for mt_file in "$@"; do
      set -- "$@" "$D/.tmpfiles$mt_n.conf"
      shift
      without_colons ".$mt_file" >"$D/.tmpfiles$mt_n.conf" || return 1
      mt_n=$((mt_n + 1))
    done
  fi
  systemd-tmpfiles --create "$@"
}

without_colons() { # FILE
  while IFS= read -r wc_line || [ -n "$wc_line" ]; do
    case $wc_line in
      [!\#]*' :'*)
        wc_path=${wc_line#* }
        if [ -e ".${wc_path%% *}" ]; then continue; fi
        printf '%s\n' "$wc_line" | sed 's/ :/ /g'
        ;;
      *) printf '%s\n' "$wc_line" ;;
    esac
  done <"$1"
}

systemd_version() {
  systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'
}

# load_firewall FAMILY TABLE FILE…: our table, all at once, and nobody else's.
load_firewall() {
  lf_family=$1 lf_table=$2
  shift 2
  {
    printf 'table %s %s\ndelete table %s %s\n' "$lf_family" "$lf_table" "$lf_family" "$lf_table"
    [ $# -eq 0 ] || cat -- "$@"
  } >"$D/.nft" && nft -f "$D/.nft"
}

# reboot_needed REASON: told in the status, and where the distribution's own tools look.
reboot_needed() {
  printf '%s\n' "$1" >>"$D/reboot"
  if [ -n "$SANDBOX" ]; then
    skip "reboot: $1"
    return
  fi
  step "needs a reboot: $1"
  if [ -z "$m_kind" ] && [ ! -e /run/reboot-required ]; then
    printf '*** System restart required ***\n' >/run/reboot-required
    chmod 0644 /run/reboot-required
    : >"$D/reboot-required"
  fi
}

# again WORD COMMAND…: the rollback's side of a follow-up that the activation began.
again() {
  ag_word=$1
  shift
  if [ -n "$SANDBOX$boot_mode" ] || ! did "$ag_word"; then return; fi
  printf '==> %s again\n' "$ag_word"
  if "$@"; then return; fi
  ag_text="$ag_word: $(last_lines)"
  if saved "$D/checkpoint/broken" "$ag_word"; then
    printf 'told: it did not work before this apply either: %s\n' "$ag_text"
  else
    complain "$ag_text"
  fi
}

udev_back() { again udev reload_udev; }
initramfs_back() { boot_files_back initramfs update-initramfs -u; }
bootloader_back() { boot_files_back bootloader update-grub; }

# boot_files_back WORD COMMAND…: where it fails and nothing was written by the activation either, the host boots as before.
boot_files_back() {
  if [ -n "$SANDBOX$boot_mode" ] || ! did "$1"; then return; fi
  bb_word=$1
  shift
  printf '==> %s again\n' "$bb_word"
  if "$@"; then return; fi
  bb_text="$bb_word: $(last_lines)"
  if [ -e "$D/checkpoint/boot-files" ] && [ "$(boot_files)" = "$(cat "$D/checkpoint/boot-files")" ]; then
    printf 'told: what boots this host is as it was, though: %s\n' "$bb_text"
  else
    complain "$bb_text"
  fi
}

daemon_reload_back() {
  if [ -n "$SANDBOX" ]; then return; fi
  printf '==> daemon-reload again\n'
  systemctl daemon-reload || complain "daemon-reload: $(last_lines)"
}

firewall_back() { # FAMILY TABLE
  # Without it nothing was loaded.
  if ! command -v nft >/dev/null; then return; fi
  again firewall load_checkpointed_firewall "$1" "$2"
}

load_checkpointed_firewall() {
  if [ -s "$D/checkpoint/firewall" ]; then
    load_firewall "$1" "$2" "$D/checkpoint/firewall"
  else
    # Made first, so that it can be deleted whether it is there or not.
    load_firewall "$1" "$2"
  fi
}

