//! The troubles that hosts are known to be in, each with an answer that was recorded of it and how the check
//! must end.

use deployctl_checks::{Check, evaluate, link};

use crate::host::{HOSTS, case, checks_of, inventory, section};

/// Trouble, recorded answer below this folder, check, and how it ends.
const TROUBLES: &[(&str, &str, &str, &str)] = &[
    ("good GPU", "good/cuda/nvidia.gpus", "nvidia/gpu", "pass"),
    (
        "good link",
        "link/good/lan10g.throughput.mac-mini-to-cuda",
        "lan10g/throughput/mac-mini-to-cuda",
        "pass",
    ),
    (
        "no driver",
        "recorded/nvidia.gpus/no-driver-rc9",
        "nvidia/gpu",
        "fail",
    ),
    (
        "no driver",
        "recorded/python.vllm.tensor/no-driver",
        "python/vllm/tensor",
        "fail",
    ),
    (
        "version mismatch",
        "recorded/nvidia.gpus/version-mismatch-rc18",
        "nvidia/gpu",
        "stale",
    ),
    (
        "version mismatch",
        "recorded/python.vllm.tensor/version-mismatch",
        "python/vllm/tensor",
        "stale",
    ),
    (
        "3090 Ti",
        "recorded/nvidia.gpus/3090-ti",
        "nvidia/gpu",
        "fail",
    ),
    (
        "GPU lost",
        "recorded/nvidia.gpus/gpu-lost-rc15",
        "nvidia/gpu",
        "fail",
    ),
    (
        "GPU lost",
        "recorded/nvidia.gpus/err-fields",
        "nvidia/gpu",
        "fail",
    ),
    (
        "iperf error JSON with exit 0",
        "link/recorded/lan10g.throughput.mac-mini-to-cuda/busy",
        "lan10g/throughput/mac-mini-to-cuda",
        "fail",
    ),
    (
        "iperf error JSON with exit 0",
        "link/recorded/lan10g.throughput.mac-mini-to-cuda/refused",
        "lan10g/throughput/mac-mini-to-cuda",
        "fail",
    ),
    (
        "partial huge pages",
        "recorded/hugepages.meminfo/partial",
        "hugepages/pool",
        "fail",
    ),
    (
        "MTU too small",
        "recorded/network.addresses/mtu-small",
        "network/mtu/cluster0",
        "fail",
    ),
    (
        "MTU too small",
        "link/recorded/lan10g.full-ping.cuda-to-mac-mini/mtu-1500-rc1",
        "lan10g/full-ping/cuda-to-mac-mini",
        "fail",
    ),
    (
        "stale socket",
        "recorded/vllm.health/stale-socket-rc7",
        "vllm/health",
        "fail",
    ),
    (
        "lazy model load",
        "link/recorded/lan10g.mlx-chat.cuda-to-mac-mini/loading-for-the-first-time-rc28",
        "lan10g/mlx-chat/cuda-to-mac-mini",
        "fail",
    ),
    (
        "HTTP 401",
        "recorded/vllm.models/wrong-key",
        "vllm/model",
        "fail",
    ),
    (
        "HTTP 401",
        "link/recorded/lan10g.gateway-models.mac-mini-to-cuda/wrong-key",
        "lan10g/gateway-models/mac-mini-to-cuda",
        "fail",
    ),
    (
        "HTTP 503",
        "recorded/vllm.health/unavailable",
        "vllm/health",
        "fail",
    ),
    (
        "HTTP 503",
        "recorded/gateway.health/unavailable",
        "gateway/health",
        "fail",
    ),
    (
        "truncated output",
        "recorded/hugepages.meminfo/truncated",
        "hugepages/pool",
        "error",
    ),
    (
        "truncated output",
        "recorded/firewall.table/truncated",
        "firewall/input",
        "error",
    ),
    (
        "truncated output",
        "link/recorded/lan10g.throughput.mac-mini-to-cuda/truncated",
        "lan10g/throughput/mac-mini-to-cuda",
        "error",
    ),
    (
        "non-UTF-8",
        "recorded/hugepages.meminfo/not-utf8",
        "hugepages/pool",
        "error",
    ),
    (
        "non-UTF-8",
        "link/recorded/lan10g.ping.cuda-to-mac-mini/not-utf8",
        "lan10g/ping/cuda-to-mac-mini",
        "error",
    ),
];

/// Every one of them.
const NAMES: &[&str] = &[
    "good GPU",
    "good link",
    "no driver",
    "version mismatch",
    "3090 Ti",
    "GPU lost",
    "iperf error JSON with exit 0",
    "partial huge pages",
    "MTU too small",
    "stale socket",
    "lazy model load",
    "HTTP 401",
    "HTTP 503",
    "truncated output",
    "non-UTF-8",
];

#[test]
#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn every_known_trouble_is_recorded_and_told_apart() {
    let mut all: Vec<Check> = HOSTS
        .iter()
        .rev()
        .flat_map(|host| checks_of(host))
        .collect();
    all.extend(link::checks(inventory()).into_iter().map(|link| link.check));
    let mut wrong = Vec::new();
    for (trouble, file, id, expected) in TROUBLES {
        let path = format!("{}/tests/check/{file}", env!("CARGO_MANIFEST_DIR"));
        let Ok(bytes) = std::fs::read(&path) else {
            wrong.push(format!("{trouble}: {file} is missing"));
            continue;
        };
        // Of hosts that ask the same, the one whose answers are recorded comes last here.
        let Some(check) = all.iter().rfind(|check| check.id == *id) else {
            wrong.push(format!("{trouble}: there is no check `{id}`"));
            continue;
        };
        let query = check.query.id.replace('/', ".");
        if !file.split('/').any(|part| part == query) {
            wrong.push(format!("{trouble}: {file} is no answer to `{query}`"));
        }
        let (_, status) = case(path.as_ref());
        let result = evaluate(check, Some(&section(status, bytes)));
        if result.status.word() != *expected {
            wrong.push(format!("{trouble}: {id} by {file} is {:?}", result.status));
        }
    }
    for name in NAMES {
        if !TROUBLES.iter().any(|(trouble, ..)| trouble == name) {
            wrong.push(format!("{name}: nothing recorded"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
