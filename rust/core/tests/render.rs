//! The Ubuntu modules against the four hosts' facts: every byte that would reach a host.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads modules and facts from the repository"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use deployctl_core::name::HostName;
use deployctl_core::render::{Facts, Rendering, TemplateSet, render};
use deployctl_core::rendered::{Entry, ManagedEntry, Rendered};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_folder(folder: &Path, below: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let below = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if path.is_dir() {
            read_folder(&path, &below, files);
        } else {
            files.insert(below, std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn modules() -> TemplateSet {
    let mut files = BTreeMap::new();
    read_folder(&repository().join("modules/ubuntu"), "", &mut files);
    TemplateSet::new("modules/ubuntu", files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn facts() -> Facts {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/inventory.json")).unwrap();
    Facts::from_inventory(&serde_json::from_str(&text).unwrap())
}

fn rendered(host: &str) -> Rendered {
    match render(&facts(), &HostName::new(host).unwrap(), &modules()) {
        Ok(Rendering::Files(rendered)) => *rendered,
        Ok(Rendering::NeedsClosure { platform }) => panic!("{host} is {platform}"),
        Err(errors) => panic!("{errors}"),
    }
}

/// One path as a reviewer wants to see it: what it is and what a change entails, then the bytes.
fn show(entry: &ManagedEntry) -> String {
    let mut text = match &entry.entry {
        Entry::File { ownership: o, .. } => format!("file {} {}:{}", o.mode, o.owner, o.group),
        Entry::Directory { ownership: o } => {
            format!("directory {} {}:{}", o.mode, o.owner, o.group)
        }
        Entry::Symlink { target } => format!("symlink to {target}"),
        Entry::Absent => "absent".to_owned(),
    };
    let _ = write!(text, " · {}", entry.concern);
    for follow_up in &entry.follow_ups {
        let name = serde_json::to_value(follow_up).unwrap();
        let _ = write!(text, " · {}", name.as_str().unwrap());
    }
    if let Some(argv) = &entry.validator {
        let _ = write!(text, " · validated by `{}`", argv.join(" "));
    }
    text.push('\n');
    if let Entry::File { content, .. } = &entry.entry {
        let _ = write!(text, "{}\n{content}", "-".repeat(72));
    }
    text
}

/// Packages, units and live settings.
fn show_rest(rendered: &Rendered) -> String {
    let mut text = String::new();
    for (name, want) in &rendered.packages {
        let version = want.version.as_deref().unwrap_or("as offered");
        let hold = if want.hold { ", held" } else { "" };
        let _ = writeln!(text, "package {name} {version}{hold} · {}", want.concern);
    }
    for (name, want) in &rendered.units {
        let state = |flag: Option<bool>, yes, no| flag.map_or("", |f| if f { yes } else { no });
        let _ = writeln!(
            text,
            "unit {name}{}{} · {} · {:?} within {} s on change of {}",
            state(want.enabled, " enabled", " disabled"),
            state(want.running, " running", " stopped"),
            want.concern,
            want.on_change,
            want.start_timeout_seconds,
            want.watch
                .iter()
                .map(AsRef::as_ref)
                .collect::<Vec<&str>>()
                .join(" "),
        );
    }
    for (key, value) in &rendered.sysctls {
        let _ = writeln!(text, "sysctl {key} = {value}");
    }
    for module in &rendered.modules {
        let _ = writeln!(text, "module {module}");
    }
    text
}

fn golden(host: &str) {
    let rendered = rendered(host);
    let folder = repository().join("tests/snapshots").join(host);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (path, entry) in &rendered.entries {
            let name = path.as_str().trim_start_matches('/').replace('/', "__");
            insta::assert_snapshot!(name, show(entry));
        }
        insta::assert_snapshot!("packages-units-settings", show_rest(&rendered));
    });
}

#[test]
fn golden_tree_of_cuda() {
    golden("cuda");
}

#[test]
fn golden_tree_of_linode() {
    golden("linode");
}

#[test]
fn a_mac_needs_a_closure() {
    let mac = HostName::new("mac-mini").unwrap();
    let rendering = render(&facts(), &mac, &modules()).unwrap();
    assert_eq!(
        rendering,
        Rendering::NeedsClosure {
            platform: "darwin".to_owned()
        }
    );
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let (first, second) = (rendered("cuda"), rendered("cuda"));
    assert_eq!(
        serde_json::to_vec(&first).unwrap(),
        serde_json::to_vec(&second).unwrap()
    );
}
