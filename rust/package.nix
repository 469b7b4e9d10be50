# A program of the workspace: deployctl, or hostprobe. Only what programs are made of is their source,
# so that a change of a fact or a test builds none anew; `withTests` takes everything and
# runs the tests.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  bash,
  dash,
  git,
  openssh,
  shellcheck,
  crate ? "deployctl",
  withTests ? false,
}:
let
  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package;
  manifest = (builtins.fromTOML (builtins.readFile (./. + "/${folder}/Cargo.toml"))).package;
  completed = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  folder = if crate == "deployctl" then "cli" else crate;
  # What the program carries of every concern; its modules for Nix are not among it.
  carried = builtins.concatMap (
    name:
    builtins.filter builtins.pathExists (
      map (part: ../modules + "/${name}/${part}") [
        "concern.toml"
        "facts.schema.json"
        "rules.toml"
        "checks.toml"
        "ubuntu"
      ]
    )
  ) (builtins.filter isConcern (builtins.attrNames (builtins.readDir ../modules)));
  isConcern = name: builtins.pathExists (../modules + "/${name}/concern.toml");
  program = lib.fileset.unions (
    [
      ../Cargo.toml
      ../Cargo.lock
      ./checks/Cargo.toml
      ./checks/src
      ./cli/Cargo.toml
      ./cli/src
      ./core/Cargo.toml
      ./core/src
      ./engine/Cargo.toml
      ./engine/src
      ./hostprobe/Cargo.toml
      ./hostprobe/src
      ./inventory/Cargo.toml
      ./inventory/build.rs
      ./inventory/src
      ./report/Cargo.toml
      ./report/src
      ./trial/Cargo.toml
      ./trial/src
      # Evaluates modules of concerns that are tried.
      ../modules/evaluate
      # Cargo wants to see every member of the workspace.
      ../tests/e2e/Cargo.toml
      ../tests/e2e/src
    ]
    ++ carried
  );
in
rustPlatform.buildRustPackage {
  pname = crate;
  inherit (workspace) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = if withTests then ../. else program;
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    crate
  ];

  doCheck = withTests;
  cargoTestFlags = [
    "--workspace"
    "--exclude"
    "deployctl-e2e"
  ];
  nativeCheckInputs = [
    bash
    dash
    git
    openssh
    shellcheck
  ];
  # What a build's sandbox does not let a test do is told (tests/lib/demand.rs).
  preCheck = ''
    export DEPLOYCTL_TESTS_SKIPPED="$TMPDIR/skipped"
  '';
  postCheck = ''
    if [ -s "$DEPLOYCTL_TESTS_SKIPPED" ]; then
      echo 'skipped:'
      sort -u "$DEPLOYCTL_TESTS_SKIPPED"
    fi
  '';
  env = {
    # Snapshots are compared, never written.
    CI = "1";
    INSTA_UPDATE = "no";
  };

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (completed && crate == "deployctl") ''
    installShellCompletion --cmd deployctl \
      --bash <("$out/bin/deployctl" completions bash) \
      --zsh <("$out/bin/deployctl" completions zsh) \
      --fish <("$out/bin/deployctl" completions fish)
  '';

  meta = {
    inherit (manifest) description;
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = crate;
    platforms = if crate == "deployctl" then lib.platforms.unix else lib.platforms.linux;
  };
}
