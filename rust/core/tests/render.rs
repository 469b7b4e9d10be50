//! The Ubuntu modules against the four hosts' facts: every byte that would reach a host.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads modules and facts from the repository"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use deployctl_core::concern::Folders;
use deployctl_core::inventory::Platform;
use deployctl_core::name::HostName;
use deployctl_core::render::{Facts, Rendering, TemplateSet, render};
use deployctl_core::rendered::{Entry, ManagedEntry, Rendered};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn modules() -> TemplateSet {
    TemplateSet::of(Folders::built_in()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn inventory() -> serde_json::Value {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/inventory.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn facts() -> Facts {
    Facts::from_inventory(&inventory())
}

fn rendered(host: &str) -> Rendered {
    rendered_of(&facts(), host)
}

fn rendered_of(facts: &Facts, host: &str) -> Rendered {
    match render(facts, &HostName::new(host).unwrap(), &modules()) {
        Ok(Rendering::Files(rendered)) => *rendered,
        Ok(Rendering::NeedsClosure { platform, .. }) => panic!("{host} is {platform}"),
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
    for (key, want) in &rendered.sysctls {
        let _ = writeln!(text, "sysctl {key} = {}", want.value);
    }
    for module in rendered.modules.keys() {
        let _ = writeln!(text, "module {module}");
    }
    text
}

fn golden(host: &str) {
    golden_of(host, &rendered(host));
}

/// A host is one file, and all of it is compared: a path that is not rendered any more is a difference, too.
fn golden_of(name: &str, rendered: &Rendered) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(repository().join("tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut tree = String::new();
    for (path, entry) in &rendered.entries {
        let _ = writeln!(tree, "{} {path}\n{}", "=".repeat(72), show(entry));
    }
    let _ = write!(tree, "{} the rest\n{}", "=".repeat(72), show_rest(rendered));
    settings.bind(|| insta::assert_snapshot!(name, tree));
}

#[test]
fn golden_tree_of_cuda() {
    golden("cuda");
}

#[test]
fn golden_tree_of_linode() {
    golden("linode");
}

/// What the four hosts do not use: Debian, addresses without netplan, further users, `extra`. Nix's
/// modules are evaluated with the same facts.
#[test]
fn golden_tree_of_a_debian_host() {
    let mut inventory = inventory();
    let sample = std::fs::read_to_string(repository().join("tests/fixtures/sample-host.json"));
    inventory["hosts"]["debian"] = serde_json::from_str(&sample.unwrap()).unwrap();
    let rendered = rendered_of(&Facts::from_inventory(&inventory), "debian");
    golden_of("debian", &rendered);
}

/// The file at `path`, as golden trees show it.
fn shown(rendered: &Rendered, path: &str) -> String {
    let mut entries = rendered.entries.iter();
    let (_, entry) = entries.find(|(at, _)| at.as_str() == path).unwrap();
    show(entry)
}

/// One server on one GPU is what the golden trees show.
#[test]
fn every_server_has_its_own_gpus_and_starts_after_those_that_share_one() {
    let mut inventory = inventory();
    let cuda = &mut inventory["hosts"]["cuda"];
    cuda["nvidia"]["gpu"]["count"] = 3.into();
    let servers = &mut cuda["vllm"]["instances"];
    servers["vllm"]["gpus"] = serde_json::json!([0, 1]);
    servers["vllm"]["gpu_memory_utilization"] = 0.7.into();
    let mut small = servers["vllm"].clone();
    let facts = small.as_object_mut().unwrap();
    facts.remove("socket");
    facts.extend([
        ("address".to_owned(), "::1".into()),
        ("port".to_owned(), 8001.into()),
        ("gpus".to_owned(), serde_json::json!([2, 1])),
        ("kv_cache_dtype".to_owned(), "fp8".into()),
        ("gpu_memory_utilization".to_owned(), 0.3.into()),
    ]);
    servers["vllm-small"] = small;
    let rendered = rendered_of(&Facts::from_inventory(&inventory), "cuda");
    let told =
        "After= Environment=CUDA Exec --uds --host --port --kv --tensor DeviceAllow=/dev/nvidia";
    let unit = |name: &str| {
        let unit = shown(&rendered, &format!("/etc/systemd/system/{name}.service"));
        let of_all = |line: &str| line.contains("nvidiactl") || line.contains("nvidia-uvm");
        let told = |line: &str| told.split(' ').any(|it| line.trim().starts_with(it));
        let lines = unit.lines().filter(|line| told(line) && !of_all(line));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!([unit("vllm"), unit("vllm-small")].join("\n\n"), @r"
    After=network-online.target nvidia-persistenced.service nvidia-power-limit.service
    Environment=CUDA_VISIBLE_DEVICES=0,1
    ExecStartPre=-/usr/bin/rm -f /run/vllm/vllm.sock
    ExecStart=/etc/deployctl/libexec/vllm-serve /srv/models/llama-3.1-8b-instruct \
        --uds /run/vllm/vllm.sock \
        --tensor-parallel-size 2 \
    ExecStartPost=/etc/deployctl/libexec/vllm-ready --unix-socket /run/vllm/vllm.sock http://localhost/health
    DeviceAllow=/dev/nvidia0 rw
    DeviceAllow=/dev/nvidia1 rw

    After=network-online.target nvidia-persistenced.service nvidia-power-limit.service
    After=vllm.service
    Environment=CUDA_VISIBLE_DEVICES=0,1
    ExecStart=/etc/deployctl/libexec/vllm-serve /srv/models/llama-3.1-8b-instruct \
        --host ::1 \
        --port 8001 \
        --kv-cache-dtype fp8 \
        --tensor-parallel-size 2 \
    ExecStartPost=/etc/deployctl/libexec/vllm-ready http://[::1]:8001/health
    DeviceAllow=/dev/nvidia2 rw
    DeviceAllow=/dev/nvidia1 rw
    ");
}

/// Also where one is declared: its number is not always 0.
#[test]
fn every_gpu_gets_its_power_cap() {
    let rendered = rendered_of(&facts(), "cuda");
    let script = shown(&rendered, "/etc/deployctl/libexec/nvidia-power-limit");

    // As a shell runs it, with a GPU of another kind beside the two.
    let folder = tempfile::tempdir().unwrap();
    let smi = folder.path().join("nvidia-smi");
    let lines = "#!/bin/sh\ncase $1 in --query*) printf 'GPU-a, NVIDIA GeForce RTX 3090\\nGPU-b, NVIDIA T400\\nGPU-c, NVIDIA GeForce RTX 3090\\n' ;; *) echo \"$*\"; [ \"$2\" != \"$BROKEN\" ] ;; esac\n";
    std::fs::write(&smi, lines).unwrap();
    std::fs::set_permissions(&smi, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (_, script) = script.split_once("set -eu\n").unwrap();
    let script = script
        .replace("$(cat /sys/module/nvidia/version)", "1")
        .replace("$(modinfo -F version nvidia)", "1");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let run = |broken: &str| {
        let output = std::process::Command::new("sh")
            .args(["-euc", &script])
            .env("PATH", &path)
            .env("BROKEN", broken)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(
        run(""),
        (true, "-i GPU-a -pl 280\n-i GPU-c -pl 280\n".to_owned())
    );
    assert_eq!(run("GPU-a"), (false, "-i GPU-a -pl 280\n".to_owned()));
    assert!(!run("GPU-c").0);
}

/// `linode` with an archive that is rarely taken, and one of few packages.
fn with_archives(key: &str) -> Rendered {
    let mut raw = inventory();
    let fingerprints = serde_json::json!([]);
    raw["hosts"]["linode"]["apt"] = serde_json::json!({ "archives": {
        "rare": {
            "uris": ["https://a.example/x_y", "http://b.example:8080"],
            "suites": ["/"],
            "key": key,
            "fingerprints": fingerprints,
            "priority": 100,
        },
        "vendor": {
            "uris": ["https://c.example/"],
            "suites": ["stable", "stable-updates"],
            "components": ["main", "non-free"],
            "architectures": ["amd64"],
            "key": key,
            "fingerprints": fingerprints,
            "packages": ["vendor-*", "libvendor*"],
            "snapshot": "20260301T000000Z",
        },
    } });
    rendered_of(&Facts::from_inventory(&raw), "linode")
}

#[test]
fn an_archive_is_a_list_with_pins() {
    let key = "a key\n";
    let rendered = with_archives(key);
    let content = |path: &str| match &rendered.entries[path].entry {
        Entry::File { content, .. } => content.as_str(),
        other => panic!("{other:?}"),
    };
    for name in ["rare", "vendor"] {
        assert_eq!(
            content(&format!("/etc/apt/keyrings/deployctl-{name}.asc")),
            key
        );
    }
    insta::assert_snapshot!(content("/etc/apt/sources.list.d/deployctl-rare.sources"), @"
    # Managed by deployctl: change the inventory, not this file.
    Types: deb
    URIs: https://a.example/x_y http://b.example:8080
    Suites: /
    Signed-By: /etc/apt/keyrings/deployctl-rare.asc
    ");
    insta::assert_snapshot!(content("/etc/apt/sources.list.d/deployctl-vendor.sources"), @"
    # Managed by deployctl: change the inventory, not this file.
    Types: deb
    URIs: https://c.example/
    Suites: stable stable-updates
    Components: main non-free
    Architectures: amd64
    Signed-By: /etc/apt/keyrings/deployctl-vendor.asc
    Snapshot: 20260301T000000Z
    ");
    insta::assert_snapshot!(content("/etc/apt/preferences.d/deployctl-rare.pref"), @"
    # Managed by deployctl: change the inventory, not this file.
    Package: *
    Pin: origin a.example
    Pin-Priority: 100

    Package: *
    Pin: origin b.example
    Pin-Priority: 100
    ");
    insta::assert_snapshot!(content("/etc/apt/preferences.d/deployctl-vendor.pref"), @"
    # Managed by deployctl: change the inventory, not this file.
    # Nothing else comes from there.
    Package: *
    Pin: origin c.example
    Pin-Priority: -1

    Package: vendor-* libvendor*
    Pin: origin c.example
    Pin-Priority: 500
    ");
}

#[test]
fn what_measures_a_link_is_installed_at_its_ends_alone() {
    let who = |change: fn(&mut serde_json::Value), host: &str| {
        let mut inventory = inventory();
        change(&mut inventory);
        let rendered = rendered_of(&Facts::from_inventory(&inventory), host);
        let want = rendered
            .packages
            .iter()
            .find(|(name, _)| name.as_str() == "iperf3");
        want.map(|(_, want)| want.concern.to_string())
    };
    let network = || Some("network".to_owned());
    assert_eq!(who(|_| (), "cuda"), network());
    assert_eq!(who(|_| (), "linode"), None);
    let second = |inventory: &mut serde_json::Value| {
        let links = &mut inventory["cluster"]["links"];
        links["wan"] = links["lan10g"].clone();
        let ends = links["wan"]["endpoints"].as_object_mut().unwrap();
        let end = ends.remove("mac-mini").unwrap();
        ends.insert("linode".to_owned(), end);
    };
    assert_eq!(who(second, "cuda"), network());
    assert_eq!(who(second, "linode"), network());
    let own = |inventory: &mut serde_json::Value| {
        inventory["hosts"]["cuda"]["extra"]["packages"]["iperf3"] = "3.16-1build2".into();
    };
    assert_eq!(who(own, "cuda"), Some("extra".to_owned()));
}

#[test]
fn a_mac_needs_a_closure() {
    let mac = HostName::new("mac-mini").unwrap();
    let rendering = render(&facts(), &mac, &modules()).unwrap();
    assert_eq!(
        rendering,
        Rendering::NeedsClosure {
            platform: Platform::Darwin,
            beside: Box::new(Rendered::empty(mac)),
        }
    );
}

#[test]
fn a_stored_generation_says_again_which_concern_declares_a_setting() {
    for host in ["cuda", "linode"] {
        let rendered = rendered(host);
        let stored = serde_json::to_vec(&rendered).unwrap();
        let settings = rendered.sysctls.values().map(|want| &want.concerns);
        let mut declared = settings.chain(rendered.modules.values());
        assert!(declared.all(|concerns| !concerns.is_empty()), "{host}");
        assert_eq!(
            serde_json::from_slice::<Rendered>(&stored).unwrap(),
            rendered
        );
    }
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let (first, second) = (rendered("cuda"), rendered("cuda"));
    assert_eq!(
        serde_json::to_vec(&first).unwrap(),
        serde_json::to_vec(&second).unwrap()
    );
}
