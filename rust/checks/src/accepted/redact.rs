//! Redacts values that vary by themselves.
//!
//! UUIDs, hashes and hexadecimal ids, hardware addresses, dates and times, durations, sizes, rates, versions
//! and every other number become `#`; scaled units go with their number, since `980 MiB` may be `1 GiB`
//! tomorrow. Digits inside of names stay (`cluster0`, `x86_64`), and so do addresses of the cluster's own links.

use std::net::IpAddr;
use std::sync::LazyLock;

use deployctl_core::inventory::Inventory;
use ipnet::IpNet;
use regex::{Captures, Regex};

/// The mark for a value that varies.
const MASK: &str = "#";

/// One match is one value; the first pattern wins if two begin at the same place.
static MOVING: LazyLock<Regex> = LazyLock::new(|| {
    const NUMBER: &str = r"\d+(?:\.\d+)*(?:[eE][-+]?\d+\b)?";
    const TIME_UNIT: &str = r"(?:ns|nsec|us|usec|µs|μs|ms|msec|secs?|seconds?|s|mins?|minutes?|m|hours?|hrs?|h|days?|d|weeks?|w|months?|years?|y)";
    let unit = r"(?:[KMGTPkmgt]?i?B|bytes?|[KMGTkmgt]?bits?(?:/s)?|[KMGTkmgt]?bit/s|[KMGTkmgt]bps|[KMGTkmgt]i?B/s|[kMGT]?Hz)";
    let day = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
    let month = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
    let clock = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?";
    let zone = r"(?:\ ?(?:Z|UTC|GMT|[A-Z]{3,4}|[-+]\d{2}:?\d{2})\b)?";
    let pattern = [
        // UUIDs, as of GPUs and file systems.
        r"(?P<id>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b".to_owned(),
        // Hardware and PCI addresses.
        r"|\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b|\b[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\b".to_owned(),
        // The hash in a path of the Nix store.
        r"|\b[0-9a-df-np-sv-z]{32}\b|\b0[xX][0-9a-fA-F]+\b".to_owned(),
        // Disks are counted as they are found.
        r"|\b(?:nvme\d+(?:n\d+)?(?:p\d+)?|sd[a-z]{1,2}\d*|vd[a-z]\d*|dm-\d+|loop\d+)\b)".to_owned(),
        // Dates and times.
        format!(r"|(?P<time>(?:\b{day},?\ )?\b\d{{4}}-\d{{2}}-\d{{2}}(?:[T\ ]{clock})?{zone}"),
        format!(r"|(?:\b{day},?\ )?\b\d{{1,2}}\ {month}\ \d{{4}}(?:\ {clock})?{zone}"),
        format!(r"|(?:\b{day},?\ )?\b{month}\ +\d{{1,2}}(?:,?\ \d{{4}})?(?:\ {clock})?{zone}(?:\ \d{{4}})?\b"),
        format!(r"|\b{clock}\b{zone})"),
        r"|(?P<v4>\b\d{1,3}(?:\.\d{1,3}){3})(?P<v4rest>/\d{1,2}\b|:\d{1,5}\b)?".to_owned(),
        r"|(?P<v6>(?:\b[0-9a-fA-F]{1,4}|\B:)(?::{1,2}[0-9a-fA-F]{1,4}\b)+(?:::)?)(?P<v6rest>(?:%[0-9A-Za-z_.-]+)?(?:/\d{1,3}\b)?)".to_owned(),
        // Hashes, long or as git shortens them: told from words by a digit.
        r"|(?P<hex>\b[0-9a-f]{7,128}\b)".to_owned(),
        format!(r"|(?P<scaled>(?:\B[-+])?{NUMBER}\ ?{TIME_UNIT}(?:\ ?{NUMBER}\ ?{TIME_UNIT})*\b|(?:\B[-+])?{NUMBER}\ ?{unit}\b)"),
        r"|(?P<version>\b[vV]\d+(?:\.\d+)+)".to_owned(),
        // Names keep their digits.
        r"|(?P<name>[\p{L}_][\p{L}\p{N}_]*)".to_owned(),
        format!(r"|(?P<number>(?:\B[-+])?{NUMBER})"),
    ]
    .concat();
    Regex::new(&pattern).expect("tested")
});

/// A number anywhere.
static DIGITS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)*").expect("tested"));

/// Values that stay although they match.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    own: Vec<IpNet>,
}

impl Redaction {
    /// Keeps addresses of the links of `inventory`.
    pub fn new(inventory: &Inventory) -> Self {
        let links = inventory.cluster().links.values();
        Self {
            own: links
                .filter_map(|link| link.subnet.as_ref().parse().ok())
                .collect(),
        }
    }

    /// `text` without values that vary by themselves.
    pub fn apply(&self, text: &str) -> String {
        MOVING
            .replace_all(text, |found: &Captures<'_>| self.replace(found))
            .into_owned()
    }

    fn replace(&self, found: &Captures<'_>) -> String {
        let whole = found.get(0).expect("the whole match");
        if let Some(name) = found.name("name") {
            return name.as_str().to_owned();
        }
        for (address, rest) in [("v4", "v4rest"), ("v6", "v6rest")] {
            if let Some(address) = found.name(address) {
                let rest = found.name(rest).map_or("", |rest| rest.as_str());
                return self.address(address.as_str(), rest);
            }
        }
        if let Some(hex) = found.name("hex")
            && !hex.as_str().contains(|c: char| c.is_ascii_digit())
        {
            return hex.as_str().to_owned();
        }
        if found.name("version").is_some() {
            return format!("{}{MASK}", &whole.as_str()[..1]);
        }
        MASK.to_owned()
    }

    fn address(&self, address: &str, rest: &str) -> String {
        let Ok(parsed) = address.parse::<IpAddr>() else {
            // Something else with dots or colons, such as a version of four parts.
            return DIGITS
                .replace_all(&format!("{address}{rest}"), MASK)
                .into_owned();
        };
        let stays = parsed.is_loopback()
            || parsed.is_unspecified()
            || self.own.iter().any(|net| net.contains(&parsed));
        match (stays, rest.starts_with(':')) {
            (true, false) => format!("{address}{rest}"),
            (true, true) => format!("{address}:{MASK}"),
            (false, _) => MASK.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn redaction() -> Redaction {
        Redaction {
            own: vec!["10.0.0.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn what_moves_is_masked_and_names_stay() {
        let mut told = String::new();
        for text in [
            "HugePages_Total is 2048",
            "GPU-8f6d3c1a-7c1e-4e1b-9a55-0123456789ab, 54 C, 1695 MHz, 23.1 W of 350 W",
            "NVIDIA GeForce RTX 3090 Ti",
            "release 12.6, V12.6.85",
            "driver 580.95.05",
            "0.012 ms off",
            "-3.4 µs off, +2 s",
            "up 3 days, 4:05, since 2026-11-23T07:14:03Z",
            "last seen Mon Nov 23 06:57:09 UTC 2026 and 23 Nov 2026",
            "since Mon 2026-11-23 06:57:09 UTC; 1h 2min ago",
            "pid 4711 (0x7ffd12) of 1h2m3s",
            "10.0.0.2/24 on cluster0, 192.168.1.7:51234, 10.0.0.1:8000, 127.0.0.1:9100",
            "fe80::1%eth0/64 and ::1 and 2001:db8::5, but std::fs stays",
            "a8:a1:59:01:02:03 at 0000:01:00.0",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-linode-26.05",
            "linux-image-6.8.0-50-generic, libcudnn9-cuda-12 9.5.1.17-1",
            "commit 3c1a7f2 of deadbeef; facade",
            "/dev/nvme1n1p1 (ext4), /dev/sda2 with rw,noatime",
            "980 MiB of 24 GiB at 9.41 Gbit/s, 12 retransmits",
            "CPUs 2-7,10; in inference, research, x86_64, ipv6, eth0.100",
            "TTFT p50 43.1 p95 61.0 p99 70.2 ms, ITL 11 ms, 50 requests, 0 errors",
            "12 %, 1.5e-3, 3x, 12th",
            "as declared",
        ] {
            let _ = write!(told, "{text}\n  {}\n", redaction().apply(text));
        }
        insta::assert_snapshot!(told);
    }

    proptest! {
        #[test]
        fn any_text_is_redacted_for_good(text in any::<String>()) {
            let once = redaction().apply(&text);
            prop_assert_eq!(redaction().apply(&once), once);
        }

        #[test]
        fn numbers_do_not_matter(a in 0_u32.., b in 0.0..1e6_f64, c in 0_u32.., d in 0.0..1e6_f64) {
            let told = |n: u32, x: f64| {
                redaction().apply(&format!("{n} of {x:.2} ms, {x:.1} GiB free (pid {n}), -{x:.3}"))
            };
            prop_assert_eq!(told(a, b), told(c, d));
        }
    }
}
