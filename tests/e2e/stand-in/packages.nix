# What systems are made of: packages with a name, a version and a size, by derivations that need
# nothing but the tools of the computer that builds them.
let
  build =
    name: variables: script:
    derivation (
      variables
      // {
        inherit name;
        system = "x86_64-linux";
        builder = "/bin/sh";
        PATH = "/usr/bin:/bin";
        args = [
          "-euc"
          script
        ];
      }
    );

  # A program that runs for ever, and says its version when asked.
  program =
    name: version:
    build "${name}-${version}" { inherit version; } ''
      mkdir -p "$out/bin"
      cat >"$out/bin/${name}" <<END
      #!/bin/sh
      [ "\''${1:-}" != --version ] || { echo "$version"; exit 0; }
      exec sleep infinity
      END
      chmod 0555 "$out/bin/${name}"
    '';

  # `kib` KiB, for disks that are too small.
  padding =
    kib:
    build "padding-${toString kib}" { kib = toString kib; } ''
      head -c "$((kib * 1024))" /dev/zero >"$out"
    '';

  # The files of `tree` (relative path to text) below `name`'s own directory. `@alpha@` in a text
  # stands for where the package `alpha` is.
  files =
    name: packages: tree:
    let
      names = builtins.attrNames packages;
      paths = builtins.attrNames tree;
      fill = builtins.replaceStrings (map (package: "@${package}@") names) (
        map (package: "${packages.${package}}") names
      );
      variable = index: "text${toString index}";
      indices = builtins.genList (index: index) (builtins.length paths);
    in
    build name
      (
        builtins.listToAttrs (
          map (index: {
            name = variable index;
            value = fill tree.${builtins.elemAt paths index};
          }) indices
        )
        // {
          passAsFile = map variable indices;
        }
      )
      (
        ''
          mkdir -p "$out"
        ''
        + builtins.concatStringsSep "" (
          map (index: ''
            mkdir -p "$(dirname "$out/${builtins.elemAt paths index}")"
            cp "''$${variable index}Path" "$out/${builtins.elemAt paths index}"
          '') indices
        )
      );
in
{
  inherit
    build
    program
    padding
    files
    ;
}
