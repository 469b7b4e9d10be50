# The documentation: this repository's pages, and those that are generated from the schema.
{
  runCommand,
  deployctl,
}:
runCommand "deployctl-docs" { nativeBuildInputs = [ deployctl ]; } ''
  mkdir -p "$out"
  cp ${../../README.md} "$out/README.md"
  cp ${../../ARCHITECTURE.md} "$out/ARCHITECTURE.md"
  cp -r ${../../docs} "$out/docs"
  chmod u+w "$out/docs"
  deployctl inventory --reference >"$out/docs/facts.md"
  deployctl inventory --schema >"$out/docs/inventory.schema.json"
''
