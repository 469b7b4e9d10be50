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
    insta::assert_snapshot!(table);
}
