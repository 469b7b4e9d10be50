# The names of what is wrong with the inventory of @hosts@; empty when all is right.
let
  inventory = import @hosts@;
  inherit (inventory) hosts positions;
  at = path: positions.${path} or null;
  expectations = {
    version = inventory.version == 1;
    cluster = inventory.cluster == { name = "test"; };
    "only folders with default.nix are hosts" =
      builtins.attrNames hosts == [
        "a"
        "b"
      ];
    "platform over linux over all" =
      hosts.a.ssh == {
        port = 2222;
        users = [ "ubuntu" ];
      };
    "defaults side by side" =
      hosts.a.time == {
        pools = [ "all" ];
        max_offset_ms = 1.0;
      };
    "null takes a concern away" = !(hosts.a ? firewall) && hosts.b.firewall.input == "drop";
    "null inside a concern is a value" = (builtins.elemAt hosts.a.list 1).z.w == null;
    "a list replaces a list" = hosts.b.tags == [ ] && hosts.a.tags == [ "all" ];
    "anything replaces an attribute set" = hosts.b.time == "off";
    "nixos keeps what linux has" = hosts.b.ssh.users == [ "linux" ] && hosts.b.os.id == "nixos";
    "identity is pinned" = hosts.a.identity.hostname == "a" && !(hosts.b ? identity);
    "a value stands in its host" = at "hosts.a.ssh.port" == "hosts/a/default.nix:3";
    "a default stands in the cluster" = at "hosts.a.ssh.users" == "hosts/cluster.nix:20";
    "another layer's default too" = at "hosts.b.ssh.users" == "hosts/cluster.nix:12";
    "and one below it" = at "hosts.a.time.pools" == "hosts/cluster.nix:7";
    "what was replaced has no place" =
      at "hosts.b.time.pools" == null && at "hosts.b.time" == "hosts/b/default.nix:4";
    "a key with dots is quoted" =
      at ''hosts.a.kernel.sysctl."vm.swappiness"'' == "hosts/a/default.nix:5";
    "elements of lists" =
      at "hosts.a.list.1" == "hosts/a/default.nix:9" && at "hosts.a.list.1.z.w" == "hosts/a/default.nix:10";
    "identity's file" = at "hosts.a.identity" == "hosts/a/identity.json:1";
    "the host itself" = at "hosts.b" == "hosts/b/default.nix:1";
  };
in
builtins.filter (name: !expectations.${name}) (builtins.attrNames expectations)
