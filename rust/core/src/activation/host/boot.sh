
# boot_default: the system that the boot loader starts, in $sys_boot; nothing where its files do not tell.
boot_default() {
  sys_boot=
  for bd_directory in "$ROOT/boot" "$ROOT/efi" "$ROOT/boot/efi"; do
    if [ -r "$bd_directory/loader/loader.conf" ]; then
      bd_entry=$(sed -n 's/^default[[:blank:]]*//p' "$bd_directory/loader/loader.conf" | head -n 1)
      # A pattern means the newest of its entries.
      case $bd_entry in
        *'*'*)
          # shellcheck disable=SC2086 # it is a pattern
          bd_entry=$(cd "$bd_directory/loader/entries" && printf '%s\n' $bd_entry | grep -v -e '-specialisation-' | sort -V | tail -n 1)
          ;;
      esac
      bd_file=$bd_directory/loader/entries/$bd_entry
    else
      bd_file=$bd_directory/grub/grub.cfg
      grep -q '^[[:blank:]]*set default="\{0,1\}0"\{0,1\}[[:blank:]]*$' "$bd_file" 2>/dev/null || continue
    fi
    if [ -f "$bd_file" ]; then
      sys_boot=$(sed -n 's/.*init=\(\/nix\/store\/[^/ ]*\)\/init.*/\1/p' "$bd_file" | head -n 1)
      return
    fi
  done
}
