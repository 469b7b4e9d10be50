# The inventory, version 1, of a folder: its cluster.nix and every folder below it that has a
# default.nix, with defaults merged in and the file:line of every value. Only builtins.
folder:
let
  file = import (folder + "/cluster.nix");
  inherit (file) cluster defaults;

  # Which defaults a host gets, most specific last.
  families = {
    ubuntu = "linux";
    nixos = "linux";
    darwin = "darwin";
  };
  unknown = removeAttrs defaults (
    [
      "all"
      "linux"
    ]
    ++ builtins.attrNames families
  );

  entries = builtins.readDir folder;
  names = builtins.filter (
    name: entries.${name} != "regular" && builtins.pathExists (folder + "/${name}/default.nix")
  ) (builtins.attrNames entries);

  # The attribute sets that describe a host, most specific first.
  layersOf =
    name:
    let
      host = import (folder + "/${name}");
      platform = if builtins.isString (host.platform or null) then host.platform else "";
      family = families.${platform} or "";
    in
    [
      host
      (defaults.${platform} or { })
    ]
    ++ (if family == platform then [ ] else [ (defaults.${family} or { }) ])
    ++ [ (defaults.all or { }) ];

  # Attribute by attribute; anything but an attribute set replaces what it covers.
  merge =
    over: under:
    if builtins.isAttrs over && builtins.isAttrs under then
      under
      // builtins.mapAttrs (key: value: if under ? ${key} then merge value under.${key} else value) over
    else
      over;
  flatten = layers: builtins.foldl' merge (builtins.head layers) (builtins.tail layers);

  # A concern that is set to null is removed.
  withoutNulls =
    set:
    if builtins.isAttrs set then
      removeAttrs set (builtins.filter (key: set.${key} == null) (builtins.attrNames set))
    else
      set;

  identityPath = name: folder + "/${name}/identity.json";
  identityOf =
    name:
    if builtins.pathExists (identityPath name) then
      { identity = builtins.fromJSON (builtins.readFile (identityPath name)); }
    else
      { };

  # The secrets that are for a host, and who owns the file of each. Whether they are well formed is for deployctl to say.
  secrets = if builtins.isAttrs (cluster.secrets or null) then cluster.secrets else { };
  secretNamesOf =
    name:
    builtins.filter (
      secret: builtins.isList (secrets.${secret}.for or null) && builtins.elem name secrets.${secret}.for
    ) (builtins.attrNames secrets);
  secretsOf =
    name:
    if secretNamesOf name == [ ] then
      { }
    else
      {
        secrets.files = builtins.listToAttrs (
          map (secret: {
            name = secret;
            value = removeAttrs secrets.${secret} [
              "for"
              "generate_bytes"
              "rotate_days"
            ];
          }) (secretNamesOf name)
        );
      };

  hosts = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = merge (identityOf name // secretsOf name) (withoutNulls (flatten (layersOf name)));
    }) names
  );

  # `hosts/cuda/default.nix:31`, whether the repository is a folder or in the Nix store.
  root = toString folder;
  show =
    position:
    if position == null then
      null
    else
      let
        inside = builtins.substring 0 (builtins.stringLength root + 1) position.file == root + "/";
        rest = builtins.substring (builtins.stringLength root) (-1) position.file;
        relative = if inside then "hosts" + rest else position.file;
      in
      "${relative}:${toString position.line}";

  # A key that looks like a path or an index is quoted: sysctl."vm.swappiness".
  segment =
    key: if builtins.match "[A-Za-z_][A-Za-z0-9_-]*" key == null then builtins.toJSON key else key;

  # [ { name = path; value = file:line; } ] of everything below `path`, where `layers` are
  # the attribute sets that were merged there, the one that wins first.
  positionsOf =
    path: layers:
    let
      keys = builtins.attrNames (builtins.foldl' (all: layer: all // layer) { } layers);
    in
    builtins.concatMap (
      key:
      let
        holders = builtins.filter (layer: layer ? ${key}) layers;
        here = "${path}.${segment key}";
        value = (builtins.head holders).${key};
      in
      entry here (show (builtins.unsafeGetAttrPos key (builtins.head holders)))
      ++ (
        if builtins.isAttrs value then
          positionsOf here (leadingSets (map (layer: layer.${key}) holders))
        else if builtins.isList value then
          positionsInList here value
        else
          [ ]
      )
    ) keys;

  positionsInList =
    path: list:
    builtins.concatLists (
      builtins.genList (
        index:
        let
          here = "${path}.${toString index}";
          value = builtins.elemAt list index;
        in
        if builtins.isAttrs value then
          entry here (firstLine value) ++ positionsOf here [ value ]
        else if builtins.isList value then
          positionsInList here value
        else
          [ ]
      ) (builtins.length list)
    );

  # Lists have no positions; an element gets the position of its first attribute.
  firstLine =
    set:
    let
      known = builtins.filter (position: position != null) (
        map (key: builtins.unsafeGetAttrPos key set) (builtins.attrNames set)
      );
    in
    if known == [ ] then null else show (builtins.head (builtins.sort (a: b: a.line < b.line) known));

  leadingSets =
    values:
    if values == [ ] || !builtins.isAttrs (builtins.head values) then
      [ ]
    else
      [ (builtins.head values) ] ++ leadingSets (builtins.tail values);

  entry = name: value: if value == null then [ ] else [ { inherit name value; } ];

  positions = builtins.listToAttrs (
    entry "cluster" (show (builtins.unsafeGetAttrPos "cluster" file))
    ++ positionsOf "cluster" [ cluster ]
    ++ builtins.concatMap (
      name:
      let
        here = "hosts.${segment name}";
      in
      entry here "hosts/${name}/default.nix:1"
      ++ positionsOf here (layersOf name)
      ++ builtins.concatMap (
        secret:
        entry "${here}.secrets.files.${segment secret}" (show (builtins.unsafeGetAttrPos secret secrets))
      ) (secretNamesOf name)
      ++ (
        if builtins.pathExists (identityPath name) then
          entry "${here}.identity" "hosts/${name}/identity.json:1"
        else
          [ ]
      )
    ) names
  );
in
if unknown != { } then
  throw (
    "hosts/cluster.nix: no platform has the defaults `${toString (builtins.attrNames unknown)}`;"
    + " known: all linux ${toString (builtins.attrNames families)}"
  )
else
  {
    version = 1;
    inherit cluster hosts positions;
  }
