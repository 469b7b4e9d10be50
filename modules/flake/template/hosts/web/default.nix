# One folder for each host. Rename it and describe yours; `deployctl inventory --reference` prints
# every fact that exists.
{
  description = "A small server";
  platform = "ubuntu";
  architecture = "x86_64";
  # A DNS name or an address. This one is reserved for documentation.
  connection.address = "192.0.2.10";

  system.hostname = "web";
  ssh = { };
  time = { };

  firewall.services = [
    {
      name = "ssh";
      protocol = "tcp";
      ports = [ 22 ];
      from = [ ];
      interfaces = [ ];
    }
    {
      name = "web";
      protocol = "tcp";
      ports = [
        80
        443
      ];
      from = [ ];
      interfaces = [ ];
    }
  ];
}
