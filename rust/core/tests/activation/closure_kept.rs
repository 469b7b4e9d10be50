//! What of the systems before and after is read, kept and let go.

use std::fs;

use deployctl_core::activation::{Phase, command};
use deployctl_core::inventory::Platform::Nixos;

use crate::closure::each;
use crate::sandbox::{Sandbox, apply_id};
use crate::stand_in::{APPLY, NEW, NixHost, OLD};

#[test]
fn a_generation_that_was_there_before_stays() {
    each(|host| {
        let link = host.sandbox.at("/nix/var/nix/profiles/system-42-link");
        std::os::unix::fs::symlink(NEW, link).unwrap();
        let before = host.state();
        host.apply();
        host.make("profile-after", "fail 1");
        assert_eq!(host.confirm().exit, Some(5));
        assert_eq!(host.state(), before);
    });
}

/// What the boot loader starts is read where its files tell.
#[test]
fn boot_loaders_are_read() {
    let grub = |lines: &str| vec![("/boot/grub/grub.cfg".to_owned(), lines.to_owned())];
    let systemd_boot = |default: &str| {
        let mut files = vec![(
            "/boot/loader/loader.conf".to_owned(),
            format!("timeout 5\ndefault {default}\n"),
        )];
        for (name, path) in [
            (
                "9",
                "/nix/store/9c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-nine",
            ),
            ("10", OLD),
            ("10-specialisation-x", NEW),
        ] {
            files.push((
                format!("/boot/loader/entries/nixos-generation-{name}.conf"),
                format!("title NixOS\noptions init={path}/init quiet\n"),
            ));
        }
        files
    };
    let menu = format!(
        "menuentry x {{\n  linux /k init={OLD}/init\n}}\nmenuentry y {{\n  linux /k init={NEW}/init\n}}\n"
    );
    for (files, boots) in [
        (grub(&format!("  set default=0\n{menu}")), OLD),
        (grub(&format!("set default=\"0\"\n{menu}")), OLD),
        (
            grub(&format!("set default=\"${{saved_entry}}\"\n{menu}")),
            "",
        ),
        (systemd_boot("nixos-generation-10.conf"), OLD),
        (systemd_boot("nixos-generation-*"), OLD),
        (systemd_boot("@saved"), ""),
    ] {
        let host = NixHost::new("dash", Nixos);
        fs::remove_dir_all(host.sandbox.at("/boot")).unwrap();
        for (path, text) in &files {
            host.sandbox.write(path, text, 0o644);
        }
        assert_eq!(host.apply().phase(), Phase::Activated);
        let checkpoint = host.sandbox.state("applies/first-apply/checkpoint/system");
        let text = fs::read_to_string(checkpoint).unwrap();
        assert!(
            text.ends_with(&format!("boot {boots}\n")),
            "{files:?} {text}"
        );
    }
}

/// The systems of the last five generations are kept.
#[test]
fn old_generations_are_let_go() {
    let host = NixHost::new("dash", Nixos);
    let root = |n: u32| {
        host.sandbox
            .at(&format!("/nix/var/nix/gcroots/deployctl/generation-{n}"))
    };
    for n in 1..=6 {
        std::os::unix::fs::symlink(OLD, root(n)).unwrap();
    }
    host.sandbox
        .write("/var/lib/deployctl/generation", "6\n", 0o600);
    fs::create_dir_all(host.sandbox.state("generations/6")).unwrap();
    host.apply();
    assert_eq!(host.confirm().exit, Some(0));
    let kept: Vec<u32> = (1..=7).filter(|n| root(*n).is_symlink()).collect();
    assert_eq!(kept, [3, 4, 5, 6, 7]);
}

#[test]
fn a_plain_sandbox_switches_nothing() {
    let stand_ins = NixHost::new("dash", Nixos);
    let host = Sandbox::new("dash");
    host.put(APPLY, &stand_ins.bundle(APPLY));
    let answer = host.run(&command::start(&apply_id(APPLY), false));
    assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
    let answer = host.confirm(APPLY);
    assert_eq!(
        (answer.exit, answer.phase()),
        (Some(0), Phase::Committed),
        "{answer:?}"
    );
    let log = host.log(APPLY);
    assert!(
        log.contains(&format!("skip(sandbox): switch to {NEW}\n")),
        "{log}"
    );
}
