//! The lines about archives and packages.

use deployctl_core::name::{ManagedPath, PackageName};
use deployctl_core::rendered::Entry;

use super::{Draft, packages};
use crate::sandbox::{Want, owned};

#[test]
fn a_validator_borrows_a_package_that_is_to_be_installed() {
    let file = || {
        Want::Entry(Entry::File {
            content: "x".to_owned(),
            ownership: owned(0o600),
        })
    };
    let mut draft = packages()
        .path("/etc/one", file(), &[], &["/bin/sh", "try", "one"])
        .path("/etc/two", file(), &[], &["/bin/sh", "try", "two"])
        .path("/etc/three", file(), &[], &["/bin/sh", "try", "three"]);
    let mut packages = ["cuda-toolkit-12-6", "libold", "cuda-toolkit-12-6"].into_iter();
    for path in ["/etc/one", "/etc/two", "/etc/three"] {
        let entry = draft.rendered.entries.get_mut(path).unwrap();
        entry.validator_package = packages.next().map(|name| PackageName::new(name).unwrap());
    }
    let text = draft.text();
    let calls: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "expect_packages")
        .take_while(|line| !line.starts_with("--- "))
        .collect();
    insta::assert_snapshot!(calls.join("\n"), @"
    expect_packages
    run_validator /bin/sh try two
    check_archives /etc/apt/sources.list.d/a.sources
    simulate_packages cuda-toolkit-12-6=12.6.3-1 chrony
    download_packages cuda-toolkit-12-6=12.6.3-1 chrony
    borrow_package cuda-toolkit-12-6=12.6.3-1
    run_validator /bin/sh try one
    run_validator /bin/sh try three
    ");
}

#[test]
fn apt_takes_a_package_from_the_file_of_a_release() {
    let mut draft = packages();
    let file = "/srv/debs/releases/5a/toolkit.deb";
    draft.plan.packages[0].file = ManagedPath::new(file).ok();
    let text = draft.text();
    let calls: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("toolkit"))
        .collect();
    insta::assert_snapshot!(calls.join("\n"), @"
    take_from_file cuda-toolkit-12-6=12.6.3-1 /srv/debs/releases/5a/toolkit.deb
    simulate_packages cuda-toolkit-12-6=12.6.3-1 chrony
    download_packages cuda-toolkit-12-6=12.6.3-1 chrony
    checkpoint_holds cuda-toolkit-12-6
    take_from_file cuda-toolkit-12-6=12.6.3-1 /srv/debs/releases/5a/toolkit.deb
    install_packages cuda-toolkit-12-6=12.6.3-1 chrony
    hold_packages cuda-toolkit-12-6
    report_kept_packages cuda-toolkit-12-6 chrony
    undo_hold cuda-toolkit-12-6
    ");
}

#[test]
fn an_archive_whose_key_changes_is_read_anew() {
    let mut draft = packages();
    let read = |draft: &Draft| {
        let text = draft.text();
        let line = text.lines().find(|line| line.starts_with("check_archives"));
        line.map(str::to_owned)
    };
    let both = "check_archives /etc/apt/sources.list.d/a.sources";
    assert_eq!(read(&draft).as_deref(), Some(both));
    draft.plan.paths.truncate(1);
    assert_eq!(read(&draft).as_deref(), Some(both), "only the key");
    draft.plan.paths[0].path = ManagedPath::new("/etc/apt/keyrings/b.asc").unwrap();
    let key = draft.rendered.entries.values().next().unwrap().clone();
    draft
        .rendered
        .entries
        .insert(draft.plan.paths[0].path.clone(), key);
    assert_eq!(read(&draft), None, "another key");
}
