//! Programs of this machine, as `readelf` reads them too, and files that are none.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: real programs are read, and another reader is asked about them"
)]
#![cfg(target_os = "linux")]

use std::process::Command;

use deployctl_checks::elf::{NotElf, read};
use proptest::prelude::*;

fn shell() -> Vec<u8> {
    std::fs::read("/bin/sh").unwrap()
}

/// What binutils says, with which this test was linked.
fn readelf(argument: &str) -> String {
    let output = Command::new("readelf")
        .args(["--wide", argument, "/bin/sh"])
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn a_program_says_what_it_needs() {
    let program = read(&shell()).unwrap();
    assert_eq!(program.machine, std::env::consts::ARCH);
    let segments = readelf("--program-headers");
    let versions = readelf("--version-info");
    let interpreter = segments
        .split_once("interpreter: ")
        .unwrap()
        .1
        .split_once(']')
        .unwrap()
        .0;
    assert_eq!(program.interpreter, interpreter);
    let newest = versions
        .split("Name: GLIBC_2.")
        .skip(1)
        .map(|rest| {
            rest.split([' ', '.'])
                .next()
                .unwrap()
                .parse::<u32>()
                .unwrap()
        })
        .max()
        .unwrap();
    let minor = program.glibc.split('.').nth(1).unwrap();
    assert_eq!(minor, newest.to_string());
}

#[test]
fn the_newest_version_is_not_the_last_by_its_letters() {
    // In the text of names, where the program has 2.34 or so, a version of one digit instead.
    let mut bytes = shell();
    let program = read(&bytes).unwrap();
    let name = format!("GLIBC_{}\0", program.glibc);
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name.as_bytes()))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + name.len()]
            .copy_from_slice(format!("{:\0<1$}", "GLIBC_2.9", name.len()).as_bytes());
    }
    let aged = read(&bytes).unwrap();
    assert_ne!(aged.glibc, program.glibc);
    let minor = |glibc: &str| glibc.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(minor(&aged.glibc) < minor(&program.glibc), "{aged:?}");
}

#[test]
fn what_is_no_program_says_what_it_is() {
    let shell = shell();
    let mut object = shell.clone();
    object[16] = 1;
    let mut foreign = shell.clone();
    foreign[18] = 243;
    assert_eq!(read(&foreign).unwrap().machine, "machine 243");
    let cases: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("script", b"#!/bin/sh\necho"),
        ("text", b"version https://git-lfs.github.com/spec/v1"),
        ("macos", &[0xcf, 0xfa, 0xed, 0xfe, 0, 0, 0, 0]),
        ("windows", b"MZ\x90\x00"),
        ("header alone", &shell[..64]),
        ("cut off", &shell[..shell.len() / 2]),
        ("object", &object),
    ];
    let read: Vec<String> = cases
        .iter()
        .map(|(name, bytes)| format!("{name}: {}", read(bytes).unwrap_err()))
        .collect();
    insta::assert_snapshot!(read.join("\n"), @"
    empty: it begins like no program
    script: it is a script
    text: it begins like no program
    macos: it is a program for macOS
    windows: it is a program for Windows
    header alone: its ELF cannot be read: Invalid ELF program header size or alignment
    cut off: its ELF cannot be read: Invalid ELF section header offset/size/alignment
    object: it is ELF, and neither a program nor a shared object
    ");
    assert_eq!(deployctl_checks::elf::read(b"\x7fEL"), Err(NotElf::Unknown));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.extend(bytes);
        let _ = read(&elf);
    }

    #[test]
    fn no_damage_breaks_the_reader(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        length in any::<prop::sample::Index>(),
        header in any::<bool>(),
    ) {
        thread_local!(static SHELL: Vec<u8> = shell());
        let mut bytes = SHELL.with(Clone::clone);
        // Half of the hits go where the tables are described.
        let within = if header { 1024.min(bytes.len()) } else { bytes.len() };
        for (at, byte) in hits {
            bytes[at.index(within)] = byte;
        }
        if !header {
            bytes.truncate(length.index(bytes.len()));
        }
        let _ = read(&bytes);
    }
}
