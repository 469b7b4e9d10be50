# Packages that nixpkgs refuses for known vulnerabilities. The facts accept a package by name and version,
# and each of its vulnerabilities by name. Nothing is accepted silently.
{
  accepted,
  config,
  lib,
  packages,
  say,
}:
let
  nameOf = package: package.name or "${package.pname}-${package.version}";
  knownOf = package: package.meta.knownVulnerabilities or [ ];

  # nixpkgs describes them in sentences such as `CVE-2026-24188: OOB write`.
  idOf =
    known:
    let
      found = builtins.match ".*(CVE-[0-9]{4}-[0-9]+|GHSA(-[0-9a-z]{4}){3}).*" known;
    in
    if found == null then null else lib.head found;
  acceptedOf = package: accepted.${nameOf package} or [ ];

  # The same test that nixpkgs makes when no predicate is set.
  permitted =
    package: lib.elem (nameOf package) (config.nixpkgs.config.permittedInsecurePackages or [ ]);
  accepts =
    package:
    permitted package || lib.all (known: lib.elem (idOf known) (acceptedOf package)) (knownOf package);

  # One package may appear with several of its outputs.
  byName = lib.listToAttrs (map (package: lib.nameValuePair (nameOf package) package) packages);
  installed = lib.attrValues byName;
  names = lib.attrNames byName;

  refused = lib.filter (package: !(config.nixpkgs.config.allowInsecurePredicate package)) installed;
  # No fact can name a vulnerability that has no id; the host's own configuration can accept it.
  remedy =
    package:
    let
      ids = map idOf (knownOf package);
    in
    if lib.elem null ids then
      "`nixpkgs.config.permittedInsecurePackages` in ${say.configuration} can accept it"
    else
      "accept it: `cuda.accepted_vulnerabilities.\"${nameOf package}\" = [ ${
        lib.concatMapStringsSep " " builtins.toJSON ids
      } ];`";
in
{
  predicate = accepts;
  assertions = map (package: {
    assertion = false;
    message =
      "${say.facts}: `cuda.packages` asks for ${nameOf package}, which nixpkgs refuses for"
      + " ${lib.concatStringsSep ", " (knownOf package)}; take it out, or ${remedy package}";
  }) refused;
  warnings =
    map (
      package:
      "${say.facts}: `cuda.accepted_vulnerabilities` accepts ${nameOf package} despite"
      + " ${lib.concatStringsSep ", " (knownOf package)}"
    ) (lib.filter (package: acceptedOf package != [ ] && knownOf package != [ ]) installed)
    ++ map (
      name:
      "${say.facts}: `cuda.accepted_vulnerabilities` names ${name}, which is not installed;"
      + " ${toString names} are"
    ) (lib.subtractLists names (lib.attrNames accepted));
}
