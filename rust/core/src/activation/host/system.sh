
# --- live values -------------------------------------------------------------------------------------------------

# read_sysctl KEY: the value in $value, blanks made single. KEY is the path below /proc/sys.
read_sysctl() {
  # Not with `read`: it reads byte by byte, and these files only answer the first read.
  value=$(cat "/proc/sys/$1" 2>/dev/null) || return 1
  set -f
  value=$(printf '%s ' $value)
  set +f
  value=${value% }
}

set_sysctl() { # KEY VALUE
  step "sysctl $1 = $2" set_sysctl "$1"
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

restore_original_sysctl() { # KEY
  if saved "$S/original/sysctls" "$1"; then set_sysctl "$1" "$value"; fi
}

restore_sysctl() { # KEY
  if [ -n "$boot_mode" ] || ! checkpointed sysctls "$1"; then return; fi
  sb_was=$value
  if read_sysctl "$1" && [ "$value" = "$sb_was" ]; then return; fi
  begin "sysctl $1 = $sb_was"
  write_sysctl "$1" "$sb_was" || :
  if ! read_sysctl "$1" || [ "$value" != "$sb_was" ]; then note_leftover "sysctl \`$1\` is \`$value\` and was \`$sb_was\`"; fi
}

module_loaded() {
  ml_name=$(printf '%s' "$1" | tr - _)
  [ -d "/sys/module/$ml_name" ]
}

load_module() { # NAME
  step "module $1" load_module "$1"
  try modprobe -- "$1"
}

unload_module() { # NAME
  if [ -n "$boot_mode" ] || checkpointed modules "$1" || ! journal_has load_module "$1"; then return; fi
  if ! module_loaded "$1"; then return; fi
  begin "unload module $1"
  modprobe -r -- "$1" || printf 'kept: module %s is in use\n' "$1"
}

# --- follow-ups -------------------------------------------------------------------------------------------------------

# follow_up VERB WORDS COMMAND…: runs what changed files require.
follow_up() {
  step "$2" "$1"
  shift 2
  try "$@"
}

run_sysusers() { follow_up run_sysusers sysusers systemd-sysusers "$@"; }
run_tmpfiles() { follow_up run_tmpfiles tmpfiles create_by_tmpfiles "$@"; }
reload_udev() { follow_up reload_udev udev reload_devices; }
reload_systemd() { follow_up reload_systemd daemon-reload systemctl daemon-reload; }
update_initramfs() { follow_up update_initramfs initramfs update-initramfs -u; }
update_bootloader() { follow_up update_bootloader bootloader update-grub; }
load_firewall() { follow_up load_firewall firewall load_table "$@"; }

# sweep_accounts: a systemd-sysusers that was killed leaves copies of the account files, with the passwords in them.
sweep_accounts() {
  if ! journal_has run_sysusers || [ ! -e "$D/checkpoint/states" ]; then return; fi
  find ./etc -maxdepth 1 -type f -newer "$D/checkpoint/states" \
    \( -name '.#passwd*' -o -name '.#group*' -o -name '.#shadow*' -o -name '.#gshadow*' \) -delete || :
}

# A container has no udev, or may not write to /sys.
udev_runs() { command -v udevadm >/dev/null && [ -S /run/udev/control ]; }

reload_devices() {
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
create_by_tmpfiles() { # FILE…
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

# load_table FAMILY TABLE FILE…: replaces our table in one step, and changes no other table.
load_table() {
  lf_family=$1 lf_table=$2
  shift 2
  {
    printf 'table %s %s\ndelete table %s %s\n' "$lf_family" "$lf_table" "$lf_family" "$lf_table"
    [ $# -eq 0 ] || cat -- "$@"
  } >"$D/.nft" && nft -f "$D/.nft"
}

# again VERB WORD COMMAND…: the rollback's side of a follow-up that the activation began. WORD names it in the checkpoint.
again() {
  if [ -n "$boot_mode" ] || ! journal_has "$1"; then return; fi
  ag_word=$2
  shift 2
  printf '==> %s again\n' "$ag_word"
  if "$@" || left_to_boot; then return; fi
  ag_text="$ag_word: $(last_lines)"
  if saved "$D/checkpoint/broken" "$ag_word"; then
    printf 'told: it did not work before this apply either: %s\n' "$ag_text"
  else
    note_leftover "$ag_text"
  fi
}

reload_udev_again() { again reload_udev udev reload_devices; }
update_initramfs_again() { write_boot_files_again update_initramfs initramfs update-initramfs -u; }
update_bootloader_again() { write_boot_files_again update_bootloader bootloader update-grub; }

# write_boot_files_again VERB WORD COMMAND…: where it fails and nothing was written by the activation either, the host
# boots as before.
write_boot_files_again() {
  if [ -n "$boot_mode" ] || ! journal_has "$1"; then return; fi
  bb_word=$2
  shift 2
  printf '==> %s again\n' "$bb_word"
  if "$@"; then return; fi
  bb_text="$bb_word: $(last_lines)"
  if [ -e "$D/checkpoint/boot-files" ] && [ "$(boot_files)" = "$(cat "$D/checkpoint/boot-files")" ]; then
    printf 'told: what boots this host is as it was, though: %s\n' "$bb_text"
  else
    note_leftover "$bb_text"
  fi
}

reload_systemd_again() {
  printf '==> daemon-reload again\n'
  systemctl daemon-reload || note_leftover "daemon-reload: $(last_lines)"
}

restore_firewall() { # FAMILY TABLE
  # Without it nothing was loaded.
  if ! command -v nft >/dev/null; then return; fi
  again load_firewall firewall load_checkpointed_table "$1" "$2"
}

load_checkpointed_table() {
  if [ -s "$D/checkpoint/firewall" ]; then
    load_table "$1" "$2" "$D/checkpoint/firewall"
  else
    # Made first, so that it can be deleted whether it is there or not.
    load_table "$1" "$2"
  fi
}

