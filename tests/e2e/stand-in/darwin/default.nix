# A STAND-IN for a nix-darwin system: the tree that `darwinConfigurations.<host>.system` has, and an
# `activate` that keeps the contract of the real one on a Debian machine with stand-ins for
# launchctl, networksetup and pmset.
#
# `declared`, all optional but `version`:
#   version     of the system
#   packages    name to version
#   daemons     label to command: launchd daemons; `@alpha@` is where the package `alpha` is
#   files       name below /etc to text
#   activate    lines of sh that the activation ends with
{ name, declared }:
let
  inherit (import ../packages.nix) build program files;
  inherit (declared) version;
  packages = builtins.mapAttrs program (declared.packages or { });
  daemons = declared.daemons or { };
  configured = declared.files or { };
  plist = label: command: ''
    <?xml version="1.0" encoding="UTF-8"?>
    <plist version="1.0">
    <dict>
    <key>Label</key><string>${label}</string>
    <key>ProgramArguments</key>
    <array>
    ${builtins.concatStringsSep "\n" (
      map (word: "<string>${word}</string>") (
        builtins.filter builtins.isString (builtins.split " " command)
      )
    )}
    </array>
    <key>RunAtLoad</key><true/>
    </dict>
    </plist>
  '';
  tree = files "darwin-${name}" packages (
    builtins.listToAttrs (
      map (label: {
        name = "Library/LaunchDaemons/${label}.plist";
        value = plist label daemons.${label};
      }) (builtins.attrNames daemons)
      ++ map (file: {
        name = "etc/${file}";
        value = configured.${file};
      }) (builtins.attrNames configured)
    )
  );
in
build "darwin-system-${version}"
  {
    activate = builtins.replaceStrings [ "@activate@" ] [ (declared.activate or "") ] (
      builtins.readFile ./activate
    );
    passAsFile = [ "activate" ];
    packages = builtins.attrValues packages;
    inherit tree version;
  }
  ''
    mkdir -p "$out/sw/bin" "$out/Library" "$out/etc"
    sed "s|@out@|$out|g" "$activatePath" >"$out/activate"
    printf '#!/bin/sh\n# nix-darwin: deprecated\n' >"$out/activate-user"
    chmod 0555 "$out/activate" "$out/activate-user"
    for package in $packages; do
      ln -s "$package"/bin/* "$out/sw/bin/"
    done
    if [ -e "$tree/Library" ]; then
      ln -s "$tree/Library/LaunchDaemons" "$out/Library/LaunchDaemons"
    fi
    if [ -e "$tree/etc" ]; then
      ln -s "$tree"/etc/* "$out/etc/"
    fi
    printf '%s' "$out" >"$out/systemConfig"
    printf '%s' "$version" >"$out/darwin-version"
    printf '{"darwinLabel":"%s"}' "$version" >"$out/darwin-version.json"
    printf '%s' aarch64-darwin >"$out/system"
  ''
