
# --- a sandbox: the same program on a directory ---------------------------------------------------------------------------
# Redefines what a sandbox may not do: it calls no program of the host, reads and writes nothing outside of
# DEPLOYCTL_ROOT, and ignores owners. What it leaves out is counted as skipped. DEPLOYCTL_SANDBOX=stand-ins is for tests:
# programs in the sandbox's own store and on PATH replace Nix, the systems that Nix built, and launchd.

skip() {
  printf 'skip(sandbox): %s\n' "$*"
  printf '%s\n' "$*" >>"$D/skips"
}

if [ -n "$SANDBOX" ]; then
  enter() {
    if [ -z "$ROOT" ] || [ "$ROOT" = / ]; then
      printf 'a sandbox needs DEPLOYCTL_ROOT\n' >&2
      exit 2
    fi
  }

  # Writes nothing to the disk, and fails where `sync` would.
  flush() {
    for fl_path in "$@"; do
      if [ ! -e "$fl_path" ]; then
        printf 'nothing to sync at %s\n' "$fl_path"
        return 1
      fi
    done
  }
  flush_tree() { :; }

  check_layout() {
    while read -r cl_path; do
      if [ -h ".$cl_path" ]; then refuse layout "\`$cl_path\` is a symbolic link, which may lead out of the sandbox"; fi
    done <"$D/parents"
  }

  owner_words() { st_owner=- st_group=-; }
  expected_owner() { owner=- group=-; }
  owner_options() { owner_options=; }
  recorded_owner_options() { owner_options=; }

  expect_release() { :; }
  merge_begin() { :; }
  merge_file() { :; }
  merge_symlink() { :; }
  merge_directory() { :; }
  merge_removal() { :; }
  merge_original() { :; }
  merge_end() { :; }
  run_validator() { skip "validate $*"; }
  came_by() { return 1; }

  checkpoint_sysctl() { :; }
  checkpoint_module() { :; }
  checkpoint_units() { :; }
  checkpoint_firewall() { :; }
  checkpoint_network() { :; }
  checkpoint_udev() { :; }
  checkpoint_boot_files() { :; }
  checkpoint_holds() { :; }

  check_archives() { skip "archives $*"; }
  take_lists() { :; }
  simulate_packages() { skip "simulate $*"; }
  download_packages() { :; }
  borrow_package() { skip "borrow $1"; }
  install_packages() { skip "install $*"; }
  hold_packages() { skip "hold $*"; }
  unhold_packages() { skip "unhold $*"; }

  set_sysctl() { skip "sysctl $1 = $2"; }
  restore_original_sysctl() { skip "sysctl $1 as it was"; }
  load_module() { skip "module $1"; }
  follow_up() { skip "$2"; }
  reboot_needed() {
    printf '%s\n' "$1" >>"$D/reboot"
    skip "reboot: $1"
  }
  remove_marker() { :; }
  settle_reboot() { :; }

  enable_unit() { skip "unit enable $1"; }
  disable_unit() { skip "unit disable $1"; }
  stop_unit() { skip "unit stop $1"; }
  bring_up() { skip "unit $1 $2"; }
  stop_unit_as_original() { skip "unit original $1"; }
  start_unit_as_original() { :; }
  reload_systemd_again() { :; }

  if [ "$SANDBOX" = stand-ins ]; then
    choose_manager() { if [ -d "$ROOT/System/Library/LaunchDaemons" ]; then manager=launchd; fi; }
  else
    choose_manager() { :; }
    check_running_system() { :; }
    check_system() { skip "look at $1"; }
    checkpoint_system() { :; }
    switch_system() { skip "switch to $1"; }
    commit_system() { if [ "$phase" != committed ]; then skip "boot $1"; fi; }
  fi
fi

main "$@"
exit
