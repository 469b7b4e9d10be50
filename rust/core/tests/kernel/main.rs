//! The kernel's configuration: what is asked of it, and why it says something else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use deployctl_core::concern::Folders;
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::kernel::{Config, Kconfig, Value, Verdict, Wanted, fragment, judge, wanted};
use deployctl_core::render::{Facts, Rendering, TemplateSet, render};
use deployctl_core::rendered::Entry;

fn inventory() -> Inventory {
    inventory::parse(include_bytes!("../../../../tests/fixtures/inventory.json")).unwrap()
}

/// The template that puts the fragment on a host, and the fragment that is built from, are one text.
#[test]
fn the_fragment_on_the_host_is_the_one_that_is_built_from() {
    let templates = TemplateSet::of(Folders::built_in()).unwrap();
    let inventory = inventory();
    let facts = Facts::from_inventory(inventory.value());
    let mut compared = 0;
    for (name, host) in inventory.hosts() {
        let Ok(Rendering::Files(rendered)) = render(&facts, name, &templates) else {
            continue;
        };
        let on_host = rendered
            .entries
            .iter()
            .find(|(path, _)| path.as_str() == "/etc/deployctl/kernel.fragment");
        if let Some((_, managed)) = on_host {
            let Entry::File { content, .. } = &managed.entry else {
                panic!("it is a file");
            };
            assert_eq!(content, &fragment(host.kernel.as_ref().unwrap()));
            compared += 1;
        }
    }
    assert!(compared > 0, "no host has a custom kernel");
}

#[test]
fn a_fragment_says_every_symbol_once() {
    let inventory = inventory();
    let mut text = String::new();
    for (name, host) in inventory.hosts() {
        if let Some(facts) = &host.kernel {
            let config = Config::parse(&fragment(facts));
            assert_eq!(config.missed(&wanted(facts)), [], "{name}");
            let _ = write!(text, "## {name}\n{}", fragment(facts));
        }
    }
    insta::assert_snapshot!(text);
}

const ROOT: &str = r#"
mainmenu "Linux"
source "arch/$(SRCARCH)/Kconfig"
source "nowhere/Kconfig"
menu "Drivers"
	depends on HAS_IOMEM

config NET_VENDOR
	bool "Vendor"
	default y
	help
	  config FAKE
	  is no symbol, being help.

if NET_VENDOR
config NIC
	tristate "A network card"
	depends on PCI && \
		(FAST || SLOW)
	select FIRMWARE if PCI
endif
endmenu

config FIRMWARE
	tristate "Firmware"

config EXPERT_ONLY
	bool "Something" if EXPERT
	default y

config HIDDEN
	def_bool PCI

choice
	prompt "Ticks"
config HZ_250
	bool "250"
config HZ_1000
	bool "1000"
endchoice

config BTF
	bool "Types"
	depends on !SPLIT && $(success,test -n "$(PAHOLE)")
"#;

const ARCH: &str = "config PCI\n\tbool \"PCI\"\nconfig FAST\n\tbool \"Fast\"\n# config COMMENT\n";

fn kconfig() -> Kconfig {
    Kconfig::read("x86", &|path| match path {
        "Kconfig" => Some(ROOT.to_owned()),
        "arch/x86/Kconfig" => Some(ARCH.to_owned()),
        _ => None,
    })
}

fn ask(symbol: &str, value: Value) -> Wanted {
    Wanted {
        symbol: symbol.to_owned(),
        value,
        declared: true,
    }
}

fn words(verdict: &Verdict) -> String {
    let mut text = String::new();
    for (missed, reasons) in &verdict.missed {
        let _ = writeln!(
            text,
            "{}: wanted {}, got {}",
            missed.wanted.symbol, missed.wanted.value, missed.got
        );
        for reason in reasons {
            let _ = writeln!(text, "  {reason}");
        }
    }
    for (symbol, near) in &verdict.absent {
        let _ = writeln!(text, "{symbol}: not there, {near:?}");
    }
    text
}

#[test]
fn every_reason_has_its_words() {
    let config = Config::parse(
        "CONFIG_PCI=y\n# CONFIG_NET_VENDOR is not set\nCONFIG_HZ_250=y\nCONFIG_EXPERT_ONLY=y\n\
         CONFIG_HAS_IOMEM=y\nCONFIG_SPLIT=y\nCONFIG_OTHER=m\nCONFIG_HIDDEN=y\n",
    );
    let wanted = [
        ask("NIC", Value::M),
        ask("HZ_1000", Value::Y),
        ask("HZ_100", Value::Y),
        ask("EXPERT_ONLY", Value::N),
        ask("HIDDEN", Value::N),
        ask("BTF", Value::Y),
        ask("NET_VENDR", Value::N),
        ask("FAKE", Value::Y),
    ];
    insta::assert_snapshot!(words(&judge(&wanted, &config, &kconfig())), @r#"
    NIC: wanted m, got n
      depends on `FAST || SLOW`; FAST is n, SLOW is n (Kconfig:16)
      depends on `NET_VENDOR`, which is n (Kconfig:16)
    HZ_1000: wanted y, got n
      `HZ_250` was chosen in its place (Kconfig:38)
    HZ_100: wanted y, got n
      this source has no such symbol; did you mean `HZ_1000`?
    EXPERT_ONLY: wanted n, got y
      it can be set only where `EXPERT` holds (Kconfig:27)
    HIDDEN: wanted n, got y
      it has no prompt, so only defaults and other symbols set it (Kconfig:31)
    BTF: wanted y, got n
      depends on `!SPLIT`; SPLIT is y (Kconfig:42)
    FAKE: wanted y, got n
      this source has no such symbol
    NET_VENDR: not there, Some("NET_VENDOR")
    "#);
}

#[test]
fn what_another_symbol_selects_is_named() {
    let config = Config::parse("CONFIG_PCI=y\nCONFIG_NIC=m\nCONFIG_FIRMWARE=m\n");
    let wanted = [ask("FIRMWARE", Value::N)];
    insta::assert_snapshot!(words(&judge(&wanted, &config, &kconfig())), @"
    FIRMWARE: wanted n, got m
      `NIC` selects it
    ");
}

#[test]
fn a_module_may_be_built_in_but_nothing_else_may_differ() {
    let config =
        Config::parse("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=\"x\"\nnonsense\n");
    let cases = [
        ("A", Value::M, true),
        ("A", Value::N, false),
        ("B", Value::M, true),
        ("B", Value::Y, false),
        ("B", Value::N, false),
        ("C", Value::N, true),
        ("C", Value::M, false),
        ("NOWHERE", Value::N, true),
        ("NOWHERE", Value::Y, false),
        ("NOWHERE", Value::Text(String::new()), true),
        ("D", Value::Text(String::new()), false),
        ("D", Value::Text("x".to_owned()), true),
    ];
    for (symbol, value, fine) in cases {
        let missed = config.missed(&[ask(symbol, value.clone())]);
        assert_eq!(missed.is_empty(), fine, "{symbol} {value}");
    }
}
