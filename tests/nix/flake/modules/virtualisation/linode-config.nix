# nixpkgs has one here; what it sets is its own.
{ }
