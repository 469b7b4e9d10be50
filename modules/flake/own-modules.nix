# Shell that links a cluster's own concerns to repo/modules; the program contains the others.
{ modules, ... }:
let
  own = builtins.filter (folder: folder != ../.) modules;
in
if own == [ ] then "" else "ln -s ${builtins.head own} repo/modules"
