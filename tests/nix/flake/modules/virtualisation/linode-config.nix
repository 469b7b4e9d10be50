# nixpkgs has such a file here; its settings do not matter for the tests.
{ }
