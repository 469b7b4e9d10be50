# Which formatter formats which files.
{
  projectRootFile = "flake.nix";
  programs = {
    nixfmt.enable = true;
    rustfmt = {
      enable = true;
      edition = "2024";
    };
  };
}
