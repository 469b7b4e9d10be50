# Development and orchestration: builds, cross-compiles, runs deployctl.
{
  description = "M2 MacBook Pro: development, cross-compilation, orchestration";
  platform = "darwin";
  architecture = "aarch64";
  tags = [
    "mac"
    "controller"
  ];
  connection.address = "localhost";

  hardware = {
    board = "MacBook Pro (M2)";
    cpu = {
      model = "Apple M2";
      cores = 8;
      threads = 8;
    };
    memory_gib = 16;
    disks = [ "internal" ];
    nics = [ "Wi-Fi" ];
    power_supply = null;
    ups = null;
  };

  system = {
    hostname = "macbook";
    timezone = "Australia/Sydney";
  };
}
