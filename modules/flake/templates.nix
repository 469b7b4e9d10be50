# `nix flake init -t`: your own cluster.
{
  default = {
    path = ./template;
    description = "A small cluster: one Linux server, its facts, and a flake around them";
  };
}
