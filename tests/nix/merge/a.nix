{
  platform = "ubuntu";
  ssh.port = 2222;
  firewall = null;
  kernel.sysctl."vm.swappiness" = "1";
  list = [
    { x = 1; }
    {
      y = 2;
      z.w = null;
    }
  ];
}
