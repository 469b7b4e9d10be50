{
  platform = "nixos";
  tags = [ ];
  time = "off";
}
