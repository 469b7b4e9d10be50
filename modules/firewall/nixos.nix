# One nftables table of ours, replaced as a whole in one transaction. Other tables stay.
{ host, lib, ... }:
let
  facts = host.firewall;

  setOf = values: "{ ${lib.concatMapStringsSep ", " toString values} }";
  names = values: "{ ${lib.concatMapStringsSep ", " (value: "\"${value}\"") values} }";
  isV6 = lib.hasInfix ":";
  v4 = lib.filter (address: !(isV6 address));
  v6 = lib.filter isV6;

  accept = rule: "${rule.protocol} dport ${setOf rule.ports} accept comment \"${rule.name}\"";
  # The lines of a rule to or from `addresses`; an empty list means any address.
  rules =
    side: before: addresses: rule:
    lib.optional (addresses == [ ]) "${before}${accept rule}"
    ++ lib.optional (v4 addresses != [ ]) "${before}ip ${side} ${setOf (v4 addresses)} ${accept rule}"
    ++ lib.optional (v6 addresses != [ ]) "${before}ip6 ${side} ${setOf (v6 addresses)} ${accept rule}";

  through =
    service: lib.optionalString (service.interfaces != [ ]) "iifname ${names service.interfaces} ";
  services = lib.concatMap (
    service: rules "saddr" (through service) service.from service
  ) facts.services;
  egress = lib.concatMap (rule: rules "daddr" "" rule.to rule) facts.egress;

  chain =
    name: policy: lines:
    lib.concatStringsSep "\n" (
      [
        "chain ${name} {"
        "  type filter hook ${name} priority filter; policy ${policy};"
      ]
      ++ map (line: "  ${line}") lines
      ++ [ "}" ]
    );
in
{
  config = lib.mkIf (host ? firewall) {
    # NixOS's own firewall would be a second table with its own rules.
    networking.firewall.enable = false;

    networking.nftables = {
      enable = true;
      flushRuleset = false;
      tables.deployctl = {
        family = "inet";
        content =
          chain "input" facts.input (
            [
              "ct state established,related accept"
              "ct state invalid drop"
              "iif lo accept"
              "# Errors, path MTU discovery and ping; IPv6 does not work without neighbour discovery."
              "meta l4proto { icmp, icmpv6 } accept"
              "# Answers to DHCPv6 come from link-local addresses to a multicast question."
              "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
            ]
            ++ services
            ++ [ "counter comment \"what no service accepts\"" ]
          )
          + "\n"
          + chain "output" facts.output (
            lib.optionals (facts.output == "drop") (
              [
                "ct state established,related accept"
                "oif lo accept"
                "meta l4proto { icmp, icmpv6 } accept"
              ]
              ++ egress
              ++ [ "counter comment \"what no rule lets out\"" ]
            )
          );
      };
    };
  };
}
