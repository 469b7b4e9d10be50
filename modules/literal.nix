# literal TEXT: escapes `%`, which begins a specifier in systemd's units and in tmpfiles.d.
builtins.replaceStrings [ "%" ] [ "%%" ]
