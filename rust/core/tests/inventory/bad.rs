//! Inventories that are wrong, and the exact words about each.

use deployctl_core::inventory;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{base, parse};

/// What stands for "take this away".
const GONE: Value = Value::Null;

/// Changes the value at a dotted path (`:` instead of `.` where keys have dots).
fn set(document: &mut Value, path: &str, value: Value) {
    let separator = if path.contains(':') { ':' } else { '.' };
    let (above, last) = path.rsplit_once(separator).expect("two steps");
    let holder = above
        .split(separator)
        .fold(document, |holder, step| match holder {
            Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
            other => &mut other[step],
        });
    match holder {
        Value::Array(items) => items[last.parse::<usize>().expect("an index")] = value,
        other if value == GONE => {
            let gone = other.as_object_mut().expect("a set").shift_remove(last);
            assert!(gone.is_some(), "{path} was not there");
        }
        other => other[last] = value,
    }
}

/// What is said when `changes` are made to the base inventory.
fn said(changes: &[(&str, Value)]) -> String {
    let mut raw = base();
    for (path, value) in changes {
        set(&mut raw, path, value.clone());
    }
    match parse(&raw) {
        Ok(_) => panic!("accepted: {changes:?}"),
        Err(errors) => errors.to_string(),
    }
}

macro_rules! bad {
    ($($(#[$doc:meta])* $name:ident: $($path:literal = $value:tt),+;)*) => {
        $($(#[$doc])* #[test]
        fn $name() {
            insta::assert_snapshot!(said(&[$(($path, json!($value))),+]));
        })*
    };
}

bad! {
    wrong_range: "hosts.cuda.network.interfaces.cluster0.mtu" = 99999;
    wrong_type: "hosts.cuda.hugepages.count" = "2048";
    wrong_type_of_a_concern: "hosts.cuda.hugepages" = [2048];
    wrong_number: "cluster.links.lan10g.min_gbits" = (-1), "hosts.cuda.hugepages.count" = 0.5;
    wrong_word: "hosts.cuda.platform" = "ubunto", "hosts.cuda.hugepages.transparent" = "sometimes";
    wrong_text: "hosts.cuda.connection.address" = "-oProxyCommand=reboot", "hosts.linode.time.pools.0" = "a b";
    wrong_list: "hosts.cuda.realtime.isolated_cpus" = [4, 5, 5], "hosts.cuda.ssh.allow_users" = [];
    wrong_in_a_nullable: "hosts.linode.trading.session.open" = "25:00", "hosts.linode.trading.fix" = "IBKR";
    unknown_key: "hosts.cuda.network.interfaces.cluster0.mtuu" = 9000, "hosts.cuda.coffee" = {}, "cluster.link" = {};
    slipped_key: "hosts.cuda.hugepages.count" = GONE, "hosts.cuda.hugepages.cuont" = 2048;
    missing_key: "hosts.cuda.connection" = GONE, "hosts.linode.kernel.flavour" = GONE;
    wrong_name: "hosts.cuda.network.interfaces" = {"cluster 0": {}}, "hosts:cuda:kernel:sysctl:swappiness" = "1";
    control_characters: "hosts.cuda.description" = "a\nb", "hosts.cuda.hardware.board" = "\u{1b}[2J", "hosts.cuda.connection.address" = "a\rb", "hosts.linode.description" = "a\u{202e}b";
    breaking_out: "hosts:cuda:kernel:sysctl:vm.swappiness" = "1\nkernel.panic = 1", "hosts.cuda.kernel.command_line.0" = "quiet\" init=/bin/sh", "hosts.cuda.storage.mounts./srv/models.options.0" = "noatime,suid", "hosts.cuda.vllm.model.id" = "a{{ b }}", "hosts.cuda.system.timezone" = "../../etc/shadow", "hosts.cuda.hugepages.mount" = "/mnt/../etc";
    an_address_in_another_form: "hosts.cuda.connection.address" = "10.9.1.2:22", "hosts.linode.connection.address" = "ssh://op@[2001:db8::1]:2222";
    an_address_that_programs_read_differently: "hosts.cuda.connection.address" = "10.9.1.256", "hosts.linode.connection.address" = "10.9.11";
    a_login_of_a_directory: "hosts.cuda.connection.user" = "first.last", "hosts.linode.connection.user" = "DOMAIN\\ann";
    a_key_with_a_comment_that_is_none: "cluster.operators.operator.keys" = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb Bob's laptop"];
    a_key_read_from_a_file: "cluster.operators.operator.keys" = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb a@b\n"];
    bad_key: "cluster.operators.operator.keys" = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcB operator@macbook"];

    link_to_an_unknown_host: "cluster.links.lan10g.endpoints.mac-mni" = {"interface": "en0", "address": "10.0.0.3"};
    link_to_an_unknown_interface: "cluster.links.lan10g.endpoints.cuda.interface" = "cluster1";
    link_address_outside_its_subnet: "cluster.links.lan10g.endpoints.cuda.address" = "10.0.1.1";
    link_address_of_nobody: "cluster.links.lan10g.endpoints.cuda.address" = "10.0.0.7";
    link_address_that_is_none: "cluster.links.lan10g.endpoints.cuda.address" = "10.0.0.256", "cluster.links.lan10g.subnet" = "10.0.0.1/24";
    link_mtu: "hosts.mac-mini.network.interfaces.en0.mtu" = 1500;
    link_prefix: "hosts.cuda.network.interfaces.cluster0.addresses" = ["10.0.0.1/16"];
    link_to_a_host_without_network: "hosts.mac-mini.network" = GONE;
    link_alone: "cluster.links.lan10g.endpoints.cuda" = GONE;
    links_that_overlap: "cluster.links.other" = {"subnet": "10.0.0.0/16", "mtu": 9000, "min_gbits": 1, "max_rtt_ms": 1, "endpoints": {}};

    address_twice: "hosts.mac-mini.network.interfaces.en0.addresses" = ["10.0.0.1/24", "10.0.0.2/24"];
    address_that_no_host_can_have: "hosts.cuda.network.interfaces.cluster0.addresses" = ["10.0.0.1/24", "10.0.0.255/24", "10.0.0.1/99"];
    prefixes_that_overlap: "hosts.cuda.network.interfaces.cluster1" = {"match": {"driver": "r8169", "mac": null}, "addresses": ["10.0.0.9/8"], "gateway": "192.0.2.1", "dhcp": false, "mtu": 1500, "required_for_boot": false};
    no_match: "hosts.cuda.network.interfaces.cluster0.match" = {"driver": null, "mac": null};

    cpus_that_are_not_there: "hosts.cuda.realtime.isolated_cpus" = [4, 5, 6, 7, 16, 17];
    cpu_zero: "hosts.linode.realtime.isolated_cpus" = [0, 4, 5, 6, 7];
    no_cpu_left: "hosts.linode.realtime.isolated_cpus" = [0, 1, 2, 3, 4, 5, 6, 7];
    trading_on_shared_cpus: "hosts.linode.trading.cpus" = [2, 3, 4];
    trading_above_its_priority: "hosts.linode.trading.priority" = 90;
    too_many_huge_pages: "hosts.linode.hugepages.count" = 5000;
    group_of_nobody: "hosts.cuda.hugepages.group" = "tradnig", "hosts.linode.realtime.group" = "audio";

    gpu_concerns_without_a_gpu: "hosts.cuda.nvidia" = GONE;
    driver_too_old: "hosts.cuda.nvidia.branch" = 550;
    driver_packages_of_another_branch: "hosts.cuda.nvidia.packages.nvidia-utils-535-server" = "535.1-1";
    cuda_packages_of_another_version: "hosts.cuda.cuda.packages.cuda-toolkit-12-4" = "12.4.1-1";
    package_against_a_pin: "hosts.cuda.cuda.packages.libnvinfer10" = "11.0.0-1";
    open_modules_on_an_old_gpu: "hosts.cuda.nvidia.gpu.compute_capability" = "6.1";
    open_modules_of_an_old_branch: "hosts.cuda.nvidia.branch" = 470, "hosts.cuda.cuda" = GONE, "hosts.cuda.nvidia.packages" = {};
    vulnerabilities_that_are_none: "hosts.cuda.cuda.accepted_vulnerabilities" = {"cuda12.6-tensorrt-10.14.1.48": ["CVE-26-1", "all"], "openssl-1.1.1w": ["CVE-2026-24188"]};
    preempt_rt_with_nvidia: "hosts.cuda.kernel.symbols.PREEMPT_RT" = "y", "hosts.cuda.kernel.symbols.RT_GROUP_SCHED" = "y";

    user_that_is_no_operator: "hosts.cuda.connection.user" = "opertor";
    user_that_ssh_does_not_let_in: "hosts.cuda.ssh.allow_users" = ["root"];
    root_that_ssh_does_not_let_in: "hosts.cuda.connection.user" = "root", "hosts.cuda.ssh.permit_root_login" = "no";
    port_on_the_move_behind_a_firewall: "hosts.cuda.connection.port" = 2222;
    firewall_against_ssh: "hosts.cuda.firewall.services" = [];
    /// What answers below `.local` is the host alone, and is asked by UDP.
    firewall_against_mdns: "hosts.cuda.firewall.services.3.ports" = [5354], "hosts.linode.connection.address" = "linode.LOCAL.";
    firewall_against_mdns_by_tcp: "hosts.cuda.firewall.services.3.protocol" = "tcp";
    become_nobody: "hosts.cuda.connection.become" = "none";
    jump_to_nobody: "hosts.cuda.connection.jump" = "linod";
    jump_in_a_circle: "hosts.cuda.connection.jump" = "linode", "hosts.linode.connection.jump" = "cuda";
    image_of_a_disk: "hosts.cuda.image" = {"kind": "disk", "size_gib": 1, "device": "/dev/nvme0n1", "fs_type": "vfat"};
    image_without_a_disk: "hosts.cuda.image" = {"kind": "disk", "size_gib": 32}, "hosts.linode.image" = {"kind": "linode", "size_gib": 6, "boot_mib": 512}, "hosts.macbook.image" = {"kind": "linode", "size_gib": 6};
    same_name_and_address: "hosts.linode.system.hostname" = "cuda", "hosts.linode.connection.address" = "cuda.local";

    words_of_another_concern: "hosts.cuda.kernel.command_line" = ["preempt=full", "hugepages=12", "preempt=none"], "hosts:cuda:kernel:sysctl:vm.nr_hugepages" = "3", "hosts:cuda:kernel:sysctl:net.core.somaxconn" = "3", "hosts:cuda:network:sysctl:vm.swappiness" = "3";
    socket_of_nobody: "hosts.linode.trading.inference_socket" = "/run/vllm/vllm.sock", "hosts.cuda.vllm.socket" = "/run/other.sock";
    state_in_a_release: "hosts.linode.trading.state_directory" = "/opt/trading/state", "hosts.linode.trading.session.close" = "09:00";
    firewall_rules: "hosts.cuda.firewall.services.2.name" = "inference", "hosts.cuda.firewall.services.1.from.0" = "10.0.0.1/24", "hosts.cuda.firewall.services.2.interfaces.0" = "cluster1";
    no_time: "hosts.cuda.time.pools" = [], "hosts.cuda.time.servers" = [];
    /// Nothing else would say so before verification, which cannot measure then.
    firewall_that_keeps_the_link_out: "hosts.cuda.firewall.services.2.ports" = [5202], "hosts.cuda.firewall.services.1.interfaces" = ["eth0"], "hosts.cuda.gateway" = {"address": "10.0.0.1", "port": 8000, "credential": null};
    firewall_for_another_network: "hosts.cuda.firewall.services.2.from" = ["10.0.1.0/24"], "hosts.cuda.firewall.services.1.protocol" = "udp", "hosts.cuda.gateway" = {"address": "10.0.0.1", "port": 8000, "credential": null};
    mlx_elsewhere: "hosts.mac-mini.mlx.host" = "10.0.0.9", "hosts.mac-mini.mlx.wired_limit_mib" = 50000;
    one_disk_twice: "hosts.cuda.storage.mounts./mnt/huge" = {"source": "LABEL=models", "fs_type": "ext4", "options": []}, "hosts.cuda.storage.min_free_gib./srv/model" = 3;

    concern_of_another_platform: "hosts.macbook.trading" = (base()["hosts"]["linode"]["trading"]), "hosts.linode.mlx" = (base()["hosts"]["mac-mini"]["mlx"]);
    os_of_another_platform: "hosts.linode.os.id" = "macos";
    what_linux_needs: "hosts.linode.system.journald" = GONE, "hosts.cuda.network.interfaces.cluster0.dhcp" = GONE, "hosts.linode.ssh" = GONE;
    no_release_of_nixos: "hosts.cuda.nix" = {
        "state_version": "6",
        "build_on": "host",
        "substitute": true,
        "compress": false,
        "substituters": [],
        "trusted_public_keys": [],
    };
    what_macos_needs: "hosts.mac-mini.network.interfaces.en0.service" = GONE, "hosts.macbook.ssh" = {
        "port": 2222,
        "permit_root_login": "no",
        "allow_users": ["operator"],
        "max_auth_tries": 4,
        "login_grace_seconds": 30,
        "client_alive_interval_seconds": 60,
    }, "hosts.macbook.nix" = {
        "state_version": "26.05",
        "build_on": "host",
        "substitute": true,
        "compress": false,
        "substituters": [],
        "trusted_public_keys": [],
    }, "hosts.macbook.network" = {
        "interfaces": {"en7": {"service": "USB", "addresses": ["192.0.2.2/24", "192.0.2.3/24"], "mtu": 1500}},
    };
    what_macos_has_not: "hosts.macbook.extra" = {
        "files": [{"path": "/etc/motd", "mode": "0600", "owner": "root", "group": "wheel", "content": "a"}],
        "packages": {"jq": "1.7-1"},
        "units": {"a.service": {"enabled": true, "running": true, "restart_on": []}},
    };

    extra_against_itself: "hosts.linode.extra" = {
        "files": [
            {"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": "a\n\tb"},
            {"path": "/etc/motd", "mode": "644", "owner": "root", "group": "root", "content": "a\u{0}"},
            {"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": ""},
        ],
        "packages": {"BAD": null},
    };
    extra_files_twice: "hosts.cuda.extra" = {
        "files": [
            {"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": "a\n"},
            {"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": "b\n"},
        ],
        "packages": {"cuda-toolkit-12-6": "12.6.2-1", "htop": null},
        "units": {"cron.service": {"enabled": true, "running": true, "restart_on": []}},
    };

    /// Checks of one's own that nothing could fail, and one that nothing could pass.
    extra_checks_that_check_nothing: "hosts.cuda.extra" = {
        "checks": {
            "silent": {"command": "true", "status": 0, "deadline_seconds": 5, "retries": 0, "gate": true},
            "empty": {"command": " \n", "status": 0, "contains": [], "deadline_seconds": 5, "retries": 0, "gate": false},
            "blank": {"command": "true", "status": 0, "contains": [" "], "deadline_seconds": 5, "retries": 0, "gate": false},
            "anything": {"command": "true", "status": 0, "matches": "(x|y)*", "deadline_seconds": 5, "retries": 0, "gate": false},
            "unbounded": {"command": "true", "status": 0, "number": {"unit": "%"}, "deadline_seconds": 5, "retries": 0, "gate": false},
            "between": {"command": "true", "status": 0, "number": {"at_least": 3, "at_most": 2.5, "unit": "%"}, "deadline_seconds": 5, "retries": 0, "gate": false},
            "unclosed": {"command": "true", "status": 0, "matches": "^up(", "deadline_seconds": 5, "retries": 0, "gate": false},
            "slow": {"command": "true", "status": 0, "contains": ["a"], "deadline_seconds": 11, "retries": 0, "gate": true},
            "huge": {"command": "true", "status": 0, "matches": "(\\w{500}){500}", "deadline_seconds": 5, "retries": 0, "gate": false},
        },
    };
    extra_check_by_itself: "hosts.cuda.extra" = {
        "checks": {
            "loud": {"command": "true", "status": 127, "contains": [3], "matches": null, "number": {"at_lest": 3, "unit": "%"}, "deadline_seconds": 0, "retries": -1, "gate": "yes"},
            "less": {"command": "true", "contains": ["a"]},
        },
    };

    tensors_without_a_gpu: "hosts.linode.python" = {
        "environments": {
            "tools": {"path": "/opt/tools", "imports": {"json": null}, "tensor": {"size": 64, "max_error": 0.01}},
            "more": {"path": "/opt/tools", "imports": {}, "tensor": null},
        },
    };
    ports_taken_twice:
        "hosts.cuda.gateway" = {"address": "10.0.0.1", "port": 9100, "credential": null},
        "hosts.cuda.monitoring" = {
            "exporters": {
                "node": {"address": "10.0.0.1", "port": 9100, "path": "/metrics", "metrics": ["node_load1"]},
                "gpu": {"address": "127.0.0.1", "port": 9100, "path": "/metrics", "metrics": ["nvidia_smi_"]},
                "ups": {"address": "127.0.0.1", "port": 9100, "path": "/metrics", "metrics": ["network_ups_tools_"]},
                "far": {"address": "10.0.0.9", "port": 9200, "path": "/metrics", "metrics": ["up"]},
                "none": {"address": "10.0.0", "port": 9200, "path": "/metrics", "metrics": ["up"]},
            },
        };

    /// A wrong value does not hide what is wrong elsewhere, not even in the same host.
    many_at_once:
        "hosts.cuda.network.interfaces.cluster0.mtu" = 99999,
        "hosts.cuda.hugepages.cuont" = 2048,
        "hosts.cuda.realtime.isolated_cpus" = [0, 4, 5, 6, 7],
        "hosts.linode.trading.priority" = 90,
        "hosts.linode.connection.jump" = "cudaa",
        "hosts.mac-mini.mlx.port" = 0;
}

#[test]
fn what_is_no_inventory_at_all() {
    let cases = [
        "",
        "nonsense",
        "{",
        "[]",
        "{}",
        "{\"version\": 2}",
        "{\"version\": 1}",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|text| {
            format!(
                "{text:?}:\n{}",
                inventory::parse(text.as_bytes()).unwrap_err()
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn what_is_allowed() {
    let allowed: &[&[(&str, Value)]] = &[
        &[(
            "hosts.linode.extra",
            json!({"files": [{"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": "a\n\tb\n"}]}),
        )],
        &[("hosts.linode.firewall", GONE)],
        &[
            ("hosts.linode.time", GONE),
            ("hosts.linode.trading", GONE),
            ("hosts.linode.hugepages", GONE),
            ("hosts.linode.realtime", GONE),
            ("hosts.linode.kernel", GONE),
        ],
        &[
            ("hosts.linode.platform", json!("nixos")),
            (
                "hosts.linode.os",
                json!({"id": "nixos", "version": "26.05"}),
            ),
        ],
        &[("hosts.linode.connection.jump", json!("cuda"))],
        &[
            ("hosts.linode.connection.user", json!("root")),
            ("hosts.linode.connection.become", json!("none")),
        ],
        &[(
            "hosts.cuda.identity",
            json!({"machine_id_sha256": "0".repeat(64), "hostname": "cuda", "host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb"]}),
        )],
    ];
    for changes in allowed {
        let mut raw = base();
        for (path, value) in *changes {
            set(&mut raw, path, value.clone());
        }
        parse(&raw).unwrap_or_else(|errors| panic!("{changes:?}\n{errors}"));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// All places of a document.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(entry, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_it_panic(value in any_json()) {
        let _ = parse(&value);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(inventory::parse(&bytes).is_err());
    }

    /// Any value at any place of the base inventory is accepted or refused with a message.
    #[test]
    fn no_damage_makes_it_panic(value in any_json(), place in any::<prop::sample::Index>()) {
        let mut raw = base();
        raw.as_object_mut().unwrap().shift_remove("positions");
        let mut all = Vec::new();
        places(&raw, "", &mut all);
        *raw.pointer_mut({ let place: &String = place.get(&all); place }).unwrap() = value;
        if let Value::Object(root) = &mut raw {
            root.insert("positions".into(), base()["positions"].clone());
        }
        if let Err(errors) = parse(&raw) {
            prop_assert!(errors.iter().count() > 0);
            let clean = !errors.to_string().contains('\u{1b}');
            prop_assert!(clean);
        }
    }
}
