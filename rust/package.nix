# deployctl. Only what the program is made of is its source, so that a change of a fact, a module or a
# test does not build it anew; `withTests` takes everything and runs the tests.
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
  withTests ? false,
}:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
  program = lib.fileset.unions [
    ../Cargo.toml
    ../Cargo.lock
    ./cli/Cargo.toml
    ./cli/src
    ./core/Cargo.toml
    ./core/src
    ./engine/Cargo.toml
    ./engine/src
    # Cargo wants to see every member of the workspace.
    ../tests/e2e/Cargo.toml
    ../tests/e2e/src
  ];
in
rustPlatform.buildRustPackage {
  pname = "deployctl";
  inherit (manifest.workspace.package) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = if withTests then ../. else program;
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "deployctl"
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
  env = {
    # Snapshots are compared, never written.
    CI = "1";
    INSTA_UPDATE = "no";
  };

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd deployctl \
      --bash <("$out/bin/deployctl" completions bash) \
      --zsh <("$out/bin/deployctl" completions zsh) \
      --fish <("$out/bin/deployctl" completions fish)
  '';

  meta = {
    description = "Declares, deploys and verifies a handful of unlike machines";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "deployctl";
    platforms = lib.platforms.unix;
  };
}
