# Whether the option at `path` concatenates texts: those whose type in the contract is `lines`.
platform: path:
let
  file = ../contract + "/${platform}.json";
  known = if builtins.pathExists file then builtins.fromJSON (builtins.readFile file) else { };
  fits =
    name:
    let
      segments = builtins.filter builtins.isString (builtins.split "\\." name);
    in
    builtins.length segments == builtins.length path
    && builtins.all (
      at:
      let
        segment = builtins.elemAt segments at;
      in
      segment == "<name>" || segment == builtins.elemAt path at
    ) (builtins.genList (at: at) (builtins.length path));
in
builtins.any fits (
  builtins.filter (name: known.options.${name}.type == "lines") (
    builtins.attrNames (known.options or { })
  )
)
