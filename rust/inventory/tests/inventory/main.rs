//! The inventory: the real one, and many that are wrong.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

mod bad;
#[path = "../../../core/tests/expected/mod.rs"]
mod expected;

use std::fmt::Write as _;

use deployctl_inventory::concern::Concerns;
use deployctl_inventory::inventory::{self, FactPath, Inventory, InventoryErrors};
use deployctl_inventory::name::HostName;
use deployctl_inventory::select::{SelectError, Selector};
use serde_json::Value;

/// What `hosts/` says.
const FIXTURE: &[u8] = include_bytes!("../../../../tests/fixtures/inventory.json");

fn base() -> Value {
    serde_json::from_slice(FIXTURE).expect("the file is JSON")
}

fn parse(value: &Value) -> Result<Inventory, InventoryErrors> {
    inventory::parse(value.to_string().as_bytes())
}

#[test]
fn the_real_inventory_is_valid() {
    let inventory = inventory::parse(FIXTURE).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<&str> = inventory.hosts().keys().map(HostName::as_str).collect();
    assert_eq!(names, ["cuda", "linode", "mac-mini", "macbook"]);
}

#[test]
fn templates_see_what_was_written() {
    let inventory = inventory::parse(FIXTURE).unwrap();
    let raw: Value = serde_json::from_slice(FIXTURE).unwrap();
    for name in inventory.hosts().keys() {
        let written = &inventory.value()["hosts"][name.as_str()];
        assert_eq!(written, &raw["hosts"][name.as_str()]);
    }
    assert_eq!(inventory.value()["cluster"], raw["cluster"]);
    assert!(inventory.value()["hosts"].get("nobody").is_none());
}

#[test]
fn how_nix_prints_a_whole_number_makes_no_difference() {
    let with = |text: &str| {
        let mut raw = base();
        raw["cluster"]["links"]["lan10g"]["max_rtt_ms"] = serde_json::from_str(text).unwrap();
        parse(&raw).unwrap()
    };
    assert_eq!(with("1"), with("1.0"));
    assert_eq!(
        with("1.0").value()["cluster"]["links"]["lan10g"]["max_rtt_ms"].to_string(),
        "1"
    );
}

#[test]
fn a_value_without_a_place_of_its_own_has_that_of_what_holds_it() {
    let inventory = inventory::parse(FIXTURE).unwrap();
    let at = |path: &str| inventory.position(&FactPath::parse(path).unwrap());
    assert_eq!(
        at("hosts.cuda.realtime.isolated_cpus.3"),
        at("hosts.cuda.realtime.isolated_cpus")
    );
    assert!(
        at("hosts.cuda.realtime.isolated_cpus")
            .unwrap()
            .starts_with("hosts/cuda/default.nix:")
    );
    assert!(
        at("hosts.cuda.ssh.max_auth_tries")
            .unwrap()
            .starts_with("hosts/cluster.nix:")
    );
    assert_eq!(at("elsewhere"), None);
}

#[test]
fn schema() {
    insta::assert_json_snapshot!(inventory::schema(Concerns::built_in()));
}

#[test]
fn reference() {
    insta::assert_snapshot!(inventory::reference(Concerns::built_in()));
}

#[test]
fn an_address_and_a_key_may_be_written_as_people_have_them() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb";
    for comment in [
        "",
        " bob",
        " bob at home",
        " jörg@büro",
        " bob@host.example",
    ] {
        let mut raw = base();
        raw["cluster"]["operators"]["operator"]["keys"] =
            serde_json::json!([format!("{key}{comment}")]);
        assert!(parse(&raw).is_ok(), "{comment:?}");
    }
    for address in ["fe80::1%eth0", "gpu_node", "lab-7", "x.example.com"] {
        let mut raw = base();
        raw["hosts"]["cuda"]["connection"]["address"] = address.into();
        assert!(parse(&raw).is_ok(), "{address:?}");
    }
}

fn select(words: &[&str]) -> Result<String, SelectError> {
    let inventory = inventory::parse(FIXTURE).expect("the fixture is valid");
    let names = Selector::parse(words)?.select(&inventory)?;
    let names: Vec<&str> = names.into_iter().map(AsRef::as_ref).collect();
    Ok(names.join(" "))
}

#[test]
fn what_selectors_select() {
    let cases: &[&[&str]] = &[
        &[],
        &["cuda"],
        &["linode", "cuda"],
        &["linode,cuda"],
        &["mac*"],
        &["mac-????"],
        &["@gpu"],
        &["@linux", "mac-mini"],
        &["@linux", "!linode"],
        &["!@mac"],
        &["!mac*", "!cuda"],
        &["cudaa"],
        &["toaster"],
        &["gpu"],
        &["@gpus"],
        &["@kitchen"],
        &["win*"],
        &["["],
        &["!nobody"],
        &["cuda", "!cuda"],
        &["!*"],
        &[""],
        &[" "],
        &[","],
        &["cuda", ""],
        &["cuda,"],
    ];
    let mut table = String::new();
    for words in cases {
        let said = match select(words) {
            Ok(names) => names,
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" (hint: {hint})"));
                format!("error: {error}{}", hint.unwrap_or_default())
            }
        };
        let _ = writeln!(table, "{:<20} → {said}", words.join(" "));
    }
    insta::assert_snapshot!(table, @"
                         → cuda linode mac-mini macbook
    cuda                 → cuda
    linode cuda          → cuda linode
    linode,cuda          → cuda linode
    mac*                 → mac-mini macbook
    mac-????             → mac-mini
    @gpu                 → cuda
    @linux mac-mini      → cuda linode mac-mini
    @linux !linode       → cuda
    !@mac                → cuda linode
    !mac* !cuda          → linode
    cudaa                → error: no host is called `cudaa` (hint: did you mean `cuda`?)
    toaster              → error: no host is called `toaster` (hint: known hosts: cuda, linode, mac-mini, macbook)
    gpu                  → error: no host is called `gpu` (hint: did you mean `@gpu`?)
    @gpus                → error: no host has the tag `gpus` (hint: did you mean `@gpu`?)
    @kitchen             → error: no host has the tag `kitchen` (hint: known tags: @controller, @gpu, @inference, @linux, @mac, @production, @trading, @wan)
    win*                 → error: no host's name fits `win*` (hint: known hosts: cuda, linode, mac-mini, macbook)
    [                    → error: `[` is not a glob: unclosed character class; missing ']'
    !nobody              → error: no host is called `nobody` (hint: known hosts: cuda, linode, mac-mini, macbook)
    cuda !cuda           → error: `cuda !cuda` leaves no host
    !*                   → error: `!*` leaves no host
                         → error: an empty selector selects nothing; leave it out to mean all hosts
                         → error: an empty selector selects nothing; leave it out to mean all hosts
    ,                    → error: an empty selector selects nothing; leave it out to mean all hosts
    cuda                 → error: an empty selector selects nothing; leave it out to mean all hosts
    cuda,                → cuda
    ");
}
