# literal TEXT: as systemd takes it for itself, in units and in tmpfiles.d, where `%` begins a specifier.
builtins.replaceStrings [ "%" ] [ "%%" ]
