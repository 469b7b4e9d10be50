# Facts that the schema accepts and NixOS cannot realize: the evaluation says what to set and where.
{
  platform = "nixos";
  architecture = "x86_64";
  hardware.cpu.threads = 2;
  system = {
    hostname = "refused";
    timezone = "Etc/UTC";
    sudo_passwordless = true;
    users.guest = {
      groups = [ ];
      keys = [ ];
      shell = "/usr/bin/xonsh";
    };
  };
  extra = {
    files = [
      {
        path = "/etc/netplan/99-more.yaml";
        content = "network: { }\n";
        mode = "0600";
        owner = "root";
        group = "root";
      }
    ];
    packages = {
      libfoo6 = null;
      jq = "1.6-2.1";
    };
  };
}
