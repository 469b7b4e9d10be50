# `nix flake init -t`: a cluster of one's own.
{
  default = {
    path = ./template;
    description = "A small cluster: one Linux server, its facts, and a flake around them";
  };
}
