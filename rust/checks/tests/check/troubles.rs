//! The troubles that hosts are known to be in, each with an answer that was recorded of it and how the check
//! must end.

use crate::cases::{judge, page, pages};
use deployctl_checks::case::Case;

/// Trouble, heading of its case (a good host's has no name), check, and how it ends.
const TROUBLES: &[(&str, &str, &str, &str)] = &[
    ("good GPU", "nvidia/gpus", "nvidia/gpu", "pass"),
    (
        "good link",
        "lan10g/throughput/mac-mini-to-cuda",
        "lan10g/throughput/mac-mini-to-cuda",
        "pass",
    ),
    ("no driver", "nvidia/gpus: no-driver", "nvidia/gpu", "fail"),
    (
        "no driver",
        "python/tensor/vllm: no-driver",
        "python/vllm/tensor",
        "fail",
    ),
    (
        "version mismatch",
        "nvidia/gpus: version-mismatch",
        "nvidia/gpu",
        "stale",
    ),
    (
        "version mismatch",
        "python/tensor/vllm: version-mismatch",
        "python/vllm/tensor",
        "stale",
    ),
    ("3090 Ti", "nvidia/gpus: 3090-ti", "nvidia/gpu", "fail"),
    ("GPU lost", "nvidia/gpus: gpu-lost", "nvidia/gpu", "fail"),
    ("GPU lost", "nvidia/gpus: err-fields", "nvidia/gpu", "fail"),
    (
        "iperf error JSON with exit 0",
        "lan10g/throughput/mac-mini-to-cuda: busy",
        "lan10g/throughput/mac-mini-to-cuda",
        "fail",
    ),
    (
        "iperf error JSON with exit 0",
        "lan10g/throughput/mac-mini-to-cuda: refused",
        "lan10g/throughput/mac-mini-to-cuda",
        "fail",
    ),
    (
        "partial huge pages",
        "hugepages/meminfo: partial",
        "hugepages/pool",
        "fail",
    ),
    (
        "MTU too small",
        "network/addresses: mtu-small",
        "network/mtu/cluster0",
        "fail",
    ),
    (
        "MTU too small",
        "lan10g/full-ping/cuda-to-mac-mini: mtu-1500",
        "lan10g/full-ping/cuda-to-mac-mini",
        "fail",
    ),
    (
        "stale socket",
        "vllm/health/vllm: stale-socket",
        "vllm/health/vllm",
        "fail",
    ),
    (
        "lazy model load",
        "lan10g/mlx-chat/cuda-to-mac-mini: loading-for-the-first-time",
        "lan10g/mlx-chat/cuda-to-mac-mini",
        "fail",
    ),
    (
        "HTTP 401",
        "vllm/models/vllm: wrong-key",
        "vllm/model/vllm",
        "fail",
    ),
    (
        "HTTP 401",
        "lan10g/gateway-models/mac-mini-to-cuda: wrong-key",
        "lan10g/gateway-models/mac-mini-to-cuda",
        "fail",
    ),
    (
        "HTTP 503",
        "vllm/health/vllm: unavailable",
        "vllm/health/vllm",
        "fail",
    ),
    (
        "HTTP 503",
        "gateway/health: unavailable",
        "gateway/health",
        "fail",
    ),
    (
        "truncated output",
        "hugepages/meminfo: truncated",
        "hugepages/pool",
        "error",
    ),
    (
        "truncated output",
        "firewall/table: truncated",
        "firewall/input",
        "error",
    ),
    (
        "truncated output",
        "lan10g/throughput/mac-mini-to-cuda: truncated",
        "lan10g/throughput/mac-mini-to-cuda",
        "error",
    ),
    (
        "non-UTF-8",
        "hugepages/meminfo: not-utf8",
        "hugepages/pool",
        "error",
    ),
    (
        "non-UTF-8",
        "lan10g/ping/cuda-to-mac-mini: not-utf8",
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
fn every_known_trouble_is_recorded_and_told_apart() {
    let pages = pages().into_iter();
    let good = ["good/cuda.txt", "good/links.txt"].map(page);
    let cases: Vec<_> = pages.chain(good).flat_map(|(_, cases)| cases).collect();
    let mut wrong = Vec::new();
    for (trouble, heading, id, expected) in TROUBLES {
        let (query, name) = heading.split_once(": ").unwrap_or((heading, ""));
        let found = |case: &&Case| case.query == query && case.name == name;
        let Some(case) = cases.iter().find(found) else {
            wrong.push(format!("{trouble}: no case `{heading}`"));
            continue;
        };
        let results = judge(case);
        let Some(result) = results.iter().find(|result| result.check == *id) else {
            wrong.push(format!("{trouble}: {id} does not ask `{query}`"));
            continue;
        };
        if result.status.word() != *expected {
            wrong.push(format!(
                "{trouble}: {id} by {heading} is {:?}",
                result.status
            ));
        }
    }
    for name in NAMES {
        if !TROUBLES.iter().any(|(trouble, ..)| trouble == name) {
            wrong.push(format!("{name}: nothing recorded"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
