# A cluster small enough to see how its defaults reach a host.
{
  cluster.name = "test";
  defaults = {
    all = {
      tags = [ "all" ];
      time.pools = [ "all" ];
    };
    linux = {
      ssh = {
        port = 22;
        users = [ "linux" ];
      };
      time.max_offset_ms = 1.0;
      firewall.input = "drop";
    };
    nixos.os.id = "nixos";
    ubuntu = {
      os.id = "ubuntu";
      ssh.users = [ "ubuntu" ];
    };
    darwin.os.id = "macos";
  };
}
