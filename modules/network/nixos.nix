# Static interfaces, the kernel's network settings, and the peers' names. Interfaces that are not
# declared keep what NixOS or the provider's profile gives them.
{
  cluster,
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  facts = host.network;
  inherit (facts) interfaces;
  yesNo = value: if value then "yes" else "no";
  ipv6 = lib.any (lib.hasInfix ":");
  notNull = lib.filterAttrs (_: value: value != null);
  forInterfaces =
    value: lib.mapAttrs' (name: item: lib.nameValuePair "10-deployctl-${name}" (value name item));

  # These two options are numbers, and the highest definition wins; all others are strings.
  numbers = [
    "net.core.rmem_max"
    "net.core.wmem_max"
  ];

  links = lib.filterAttrs (_: link: link.endpoints ? ${hostName}) cluster.links;
  namesOn =
    link: endpoints:
    lib.mapAttrsToList (peer: end: {
      ${end.address} = [ "${peer}.${link}" ] ++ lib.optional (peer != hostName) peer;
    }) endpoints;
in
{
  imports = [ ./nixos/mdns.nix ];

  config = lib.mkIf (host ? network) {
    boot.kernel.sysctl = lib.mapAttrs (
      key: value: if lib.elem key numbers then lib.toInt value else value
    ) (facts.sysctl or { });

    # Links join declared interfaces; a host without one has no peers to name.
    networking.hosts = lib.mkIf (interfaces != { }) (
      lib.mkMerge (lib.concatLists (lib.mapAttrsToList (name: link: namesOn name link.endpoints) links))
    );

    # One owner of all interfaces: dhcpcd would also configure the static ones.
    networking.useNetworkd = lib.mkIf (interfaces != { }) true;

    # Checks read the rings with the one, and measure links with the other.
    environment.systemPackages = lib.mkMerge [
      (lib.mkIf (interfaces != { }) [ pkgs.ethtool ])
      (lib.mkIf (links != { }) [ pkgs.iperf3 ])
    ];

    # Rings and the name are set when the device appears, which is at boot.
    systemd.network.links = forInterfaces (name: item: {
      matchConfig = notNull {
        Driver = item.match.driver;
        PermanentMACAddress = item.match.mac;
      };
      linkConfig = {
        Name = name;
        MTUBytes = toString item.mtu;
      }
      // lib.optionalAttrs (item.rings or null != null) {
        RxBufferSize = item.rings.rx;
        TxBufferSize = item.rings.tx;
      };
    }) interfaces;

    systemd.network.networks = forInterfaces (name: item: {
      matchConfig.Name = name;
      linkConfig = {
        MTUBytes = toString item.mtu;
        RequiredForOnline = yesNo (item.required_for_boot or true);
      };
      address = item.addresses;
      gateway = lib.optional (item.gateway or null != null) item.gateway;
      networkConfig = {
        DHCP = if item.dhcp or false then "ipv4" else "no";
        # IPv6 finds its neighbours from a link-local address.
        LinkLocalAddressing = if ipv6 item.addresses then "ipv6" else "no";
        IPv6AcceptRA = "no";
      };
    }) interfaces;
  };
}
