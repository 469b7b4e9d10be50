//! Declares, deploys and verifies a handful of unlike machines.

fn main() {}
