//! A cluster of one's own: the template's files and the program, nothing else.

use crate::environment::TestEnv;

#[test]
fn a_cluster_from_the_template_plans_and_renders() {
    let env = TestEnv::from_template();
    let planned = env.run(&["plan", "--exit-code"]);
    assert_eq!(planned.code, 3, "{}", planned.err);
    let out = env.path("rendered");
    let rendered = env.run(&["render", "--out", out.to_str().unwrap()]);
    assert_eq!(rendered.code, 0, "{}", rendered.err);
    assert!(out.join("web/etc/nftables.d/deployctl.nft").is_file());
    let applied = env.run(&["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert_eq!(env.run(&["plan", "--exit-code"]).code, 0);
}

#[test]
fn what_the_program_carries_is_named_as_its_own() {
    let env = TestEnv::from_template();
    insta::assert_snapshot!(env.run(&["why", "/etc/timezone"]).out, @"
    web: /etc/timezone
      concern   system
      template  deployctl:modules/system/ubuntu/etc/timezone
      fact      hosts.web.system.timezone  (hosts/cluster.nix:28)
    ");
}

#[test]
fn a_module_of_the_repository_replaces_that_of_the_program() {
    let env = TestEnv::from_template();
    let concern = env.repo().join("modules/time");
    let module = concern.join("ubuntu");
    std::fs::create_dir_all(&module).unwrap();
    let manifest =
        "summary = \"Our own.\"\nplatforms = [\"ubuntu\", \"nixos\"]\n[without]\ndarwin = \"no\"\n";
    std::fs::write(concern.join("concern.toml"), manifest).unwrap();
    let facts = include_str!("../../../../modules/time/facts.schema.json");
    std::fs::write(concern.join("facts.schema.json"), facts).unwrap();
    // It writes nothing, where the program's writes chrony's configuration.
    std::fs::write(module.join("module.toml"), "").unwrap();
    assert_eq!(env.run(&["why", "/etc/chrony/chrony.conf"]).code, 2);
    assert_eq!(env.run(&["why", "/etc/timezone"]).code, 0);
    std::fs::write(module.join("unused"), "").unwrap();
    let said = env.run(&["plan"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.starts_with("error: modules/time/ubuntu/unused:1:"),
        "{}",
        said.err
    );
}
