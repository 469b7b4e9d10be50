# A STAND-IN for a NixOS system: the tree that `system.build.toplevel` has, and a
# `switch-to-configuration` that keeps the contract of the real one on a Debian machine.
#
# `declared`, all optional but `version`:
#   version     of the system
#   kernel      version of kernel, initrd and modules
#   packages    name to version
#   units       name to text, `@alpha@` being where the package `alpha` is
#   unwanted    names of those that only others start
#   files       name below /etc to text
#   preflight   sh that an apply runs before it changes anything
#   modes       of files that are copied there instead of linked, by name
#   inhibitors  name to text: what cannot change while the system runs
#   init        the interface version of init
#   activate, bootloader   lines of sh that the two programs end with
#   padding     KiB
#   fails       text of a build that fails
{ name, declared }:
let
  inherit (import ../packages.nix)
    build
    program
    padding
    files
    ;
  inherit (declared) version;
  packages = builtins.mapAttrs program (declared.packages or { });
  release = declared.kernel or "6.18.53";
  boot = file: package: files "${package}-${release}" { } { ${file} = "${package} ${release}\n"; };
  linux = boot "bzImage" "linux";
  initrd = boot "initrd" "initrd-linux";
  modules = boot "lib/modules/${release}/modules.order" "linux-modules";
  etc = files "etc-${name}" packages (
    prefixed "systemd/system/" (declared.units or { })
    // prefixed "files/" (declared.files or { })
    // prefixed "modes/" (declared.modes or { })
    // prefixed "deployctl/" (
      if declared.preflight or "" == "" then { } else { inherit (declared) preflight; }
    )
    // prefixed "unwanted/" (none (declared.unwanted or [ ]))
  );
  none =
    names:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = "";
      }) names
    );
  prefixed =
    prefix: set:
    builtins.listToAttrs (
      map (key: {
        name = prefix + key;
        value = set.${key};
      }) (builtins.attrNames set)
    );
  fill =
    file:
    builtins.replaceStrings
      [
        "@activate@"
        "@bootloader@"
      ]
      [
        (declared.activate or "")
        (declared.bootloader or "")
      ]
      (builtins.readFile file);
in
build "nixos-system-${name}-${version}"
  {
    switch = fill ./switch-to-configuration;
    activate = fill ./activate;
    bootloader = fill ./install-bootloader;
    passAsFile = [
      "switch"
      "activate"
      "bootloader"
    ];
    inherit
      etc
      initrd
      linux
      modules
      version
      ;
    inhibitors = builtins.toJSON (declared.inhibitors or { });
    init = declared.init or "systemd 257";
    packages = builtins.attrValues packages;
    padding = if declared ? padding then padding declared.padding else "";
    fails = declared.fails or "";
  }
  ''
    if [ -n "$fails" ]; then
      printf '%s\n' "$fails" >&2
      exit 1
    fi
    mkdir -p "$out/bin" "$out/sw/bin" "$out/specialisation"
    for part in switch:bin/switch-to-configuration activate:activate \
      bootloader:install-bootloader; do
      eval "source=\$''${part%%:*}Path"
      sed "s|@out@|$out|g" "$source" >"$out/''${part#*:}"
      chmod 0555 "$out/''${part#*:}"
    done
    for package in $packages; do
      ln -s "$package"/bin/* "$out/sw/bin/"
    done
    ln -s "$etc" "$out/etc"
    ln -s "$linux/bzImage" "$out/kernel"
    ln -s "$initrd/initrd" "$out/initrd"
    ln -s "$modules" "$out/kernel-modules"
    printf '%s' "$version" >"$out/nixos-version"
    printf '%s' "$init" >"$out/init-interface-version"
    printf '%s' x86_64-linux >"$out/system"
    printf '%s' 'loglevel=4' >"$out/kernel-params"
    printf '%s' "$inhibitors" >"$out/switch-inhibitors"
    printf '%s' "$padding" >"$out/extra-dependencies"
    printf '#!/bin/sh\nexit 0\n' >"$out/dry-activate"
    printf '#!/bin/sh\nexec %s/activate\n' "$out" >"$out/init"
    chmod 0555 "$out/dry-activate" "$out/init"
  ''
