//! Selectors over the base inventory.

use std::fmt::Write as _;

use deployctl_inventory::inventory;
use deployctl_inventory::select::{SelectError, Selector};

fn select(words: &[&str]) -> Result<String, SelectError> {
    let inventory = inventory::parse(crate::FIXTURE).expect("the fixture is valid");
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
