# Static addresses and MTU. nix-darwin has no option for either, so activation sets them if
# they differ, and reads them back: `networksetup` can fail silently.
{
  cluster,
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  interfaces = host.network.interfaces;

  # Dotted, as networksetup expects it.
  netmask =
    prefix:
    lib.concatMapStringsSep "."
      (
        byte:
        let
          bits = lib.max 0 (lib.min 8 (prefix - byte * 8));
        in
        toString (
          256
          - lib.elemAt [
            256
            128
            64
            32
            16
            8
            4
            2
            1
          ] bits
        )
      )
      [
        0
        1
        2
        3
      ];

  setUp =
    name: interface:
    let
      parts = lib.splitString "/" (lib.head interface.addresses);
      arguments = lib.escapeShellArgs [
        name
        interface.service
        (lib.head parts)
        (netmask (lib.toInt (lib.last parts)))
        (if interface.gateway or null == null then "" else interface.gateway)
        interface.mtu
      ];
    in
    "deployctl_interface ${arguments}";

  links = lib.filterAttrs (_: link: link.endpoints ? ${hostName}) cluster.links;

  # The names of the hosts at the other ends of this host's links.
  peers = lib.concatMap (
    link:
    lib.mapAttrsToList (
      peer: end: "${end.address} ${peer}.${link}${lib.optionalString (peer != hostName) " ${peer}"}"
    ) links.${link}.endpoints
  ) (lib.attrNames links);

  # A ping of a whole packet needs it in one datagram, of which macOS sends 8192 bytes unless told otherwise.
  datagram = lib.foldl' lib.max 0 (lib.mapAttrsToList (_: link: link.mtu) links);
  isRaised = datagram > 8192;
  setting = "net.inet.raw.maxdgram";
in
lib.mkIf (host ? network) {
  assertions = lib.mapAttrsToList (name: interface: {
    assertion =
      interface.service or null != null
      && lib.length interface.addresses == 1
      && !(lib.hasInfix ":" (lib.head interface.addresses));
    message = "hosts/${hostName}/default.nix: `network.interfaces.${name}` needs `service` and exactly one IPv4 address on a Mac; networksetup sets no more";
  }) interfaces;

  # Links are measured with it.
  environment.systemPackages = lib.mkIf (links != { }) [ pkgs.iperf3 ];

  # A reboot resets it.
  launchd.daemons.raw-datagram = lib.mkIf isRaised {
    command = "/bin/sh -c ${lib.escapeShellArg ''[ "$(/usr/sbin/sysctl -n ${setting})" -ge ${toString datagram} ] || exec /usr/sbin/sysctl ${setting}=${toString datagram}''}";
    serviceConfig.RunAtLoad = true;
  };

  # Before the daemon is loaded: a value that it had set already would leave nothing to undo.
  system.activationScripts.launchd.text = lib.mkIf isRaised (
    lib.mkBefore ''
      ${lib.readFile ../undo.sh}
      ${lib.readFile ./darwin/raw-datagram.sh}
      deployctl_raw_datagram ${toString datagram}
    ''
  );

  system.activationScripts.postActivation.text = lib.concatStringsSep "\n" (
    [
      "echo 'setting interfaces...' >&2"
      (lib.readFile ../undo.sh)
      (lib.readFile ./darwin/interface.sh)
    ]
    ++ lib.mapAttrsToList setUp interfaces
    ++ [
      (lib.readFile ./darwin/hosts.sh)
      "deployctl_hosts ${lib.escapeShellArg (lib.concatStringsSep "\n" peers)}"
    ]
  );
}
