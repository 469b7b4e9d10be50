# One folder, one host. Rename it, and say what yours is; `deployctl inventory --reference` prints every
# fact there is.
{
  description = "A small server";
  platform = "ubuntu";
  architecture = "x86_64";
  # A DNS name or an address. This one is for documentation, and answers nobody.
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
