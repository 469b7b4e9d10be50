# What is formatted by what.
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
