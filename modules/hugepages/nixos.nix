# A pool of huge pages, who may use it, and a mount that fails if the pool is too small.
{ host, lib, ... }:
let
  facts = host.hugepages;
  literal = import ../literal.nix;
  mib = facts.size_kib / 1024;
  size = if facts.size_kib < 1048576 then "${toString mib}M" else "${toString (mib / 1024)}G";
in
{
  config = lib.mkIf (host ? hugepages) {
    # The size goes first: a bare `hugepages=` would fix the default size for good.
    boot.kernelParams = [
      "default_hugepagesz=${size}"
      "hugepagesz=${size}"
      "hugepages=${toString facts.count}"
      "transparent_hugepage=${facts.transparent}"
    ];

    # The write succeeds even if the kernel found fewer pages; the mount does not.
    boot.kernel.sysctl."vm.nr_hugepages" = toString facts.count;

    systemd.tmpfiles.settings."10-deployctl-hugepages" = {
      "/sys/kernel/mm/transparent_hugepage/enabled".w.argument = facts.transparent;
    };

    users.groups.${facts.group} = { };

    # For login sessions only; services set LimitMEMLOCK= themselves.
    security.pam.loginLimits = [
      {
        domain = "@${facts.group}";
        type = "-";
        item = "memlock";
        value = "unlimited";
      }
    ];

    systemd.mounts = [
      (
        lib.optionalAttrs (literal facts.mount != facts.mount) {
          # The unit's name comes from `where`; its description does not.
          mountConfig.Where = lib.mkForce (literal facts.mount);
        }
        // {
          description = "Huge pages for the group ${facts.group}";
          documentation = [ "https://docs.kernel.org/admin-guide/mm/hugetlbpage.html" ];
          # The pool is filled by sysctl.
          after = [ "systemd-sysctl.service" ];
          wantedBy = [ "local-fs.target" ];
          what = "hugetlbfs";
          where = facts.mount;
          type = "hugetlbfs";
          # min_size reserves the pages at once: with too few of them the mount fails.
          options = lib.concatStringsSep "," [
            "pagesize=${toString mib}M"
            "gid=${facts.group}"
            "mode=0770"
            "min_size=${toString (mib * facts.count)}M"
          ];
        }
      )
    ];
  };
}
