//! Every check of a link notices when the one thing it is about is not so.

use std::collections::BTreeSet;

use deployctl_checks::evaluate;

use super::{checks, good};
use crate::host::section;

/// Check, text in the good answer, its replacement, and how the check must end.
const MUTATIONS: &[(&str, &str, &str, &str)] = &[
    (
        "lan10g/address/cuda",
        "\"local\":\"10.0.0.1\"",
        "\"local\":\"10.0.0.9\"",
        "fail",
    ),
    (
        "lan10g/address/cuda",
        "\"operstate\":\"UP\"",
        "\"operstate\":\"DOWN\"",
        "fail",
    ),
    ("lan10g/address/cuda", "\"operstate\":\"UP\",", "", "error"),
    (
        "lan10g/address/mac-mini",
        "inet 10.0.0.2",
        "inet 169.254.7.9",
        "fail",
    ),
    (
        "lan10g/address/mac-mini",
        "status: active",
        "status: inactive",
        "fail",
    ),
    ("lan10g/mtu/cuda", "\"mtu\":9000", "\"mtu\":1500", "fail"),
    ("lan10g/mtu/cuda", "\"mtu\":9000", "\"mtu\":9216", "fail"),
    ("lan10g/mtu/mac-mini", "mtu 9000", "mtu 1500", "fail"),
    ("lan10g/mtu/mac-mini", " mtu 9000", "", "error"),
    (
        "lan10g/route/cuda-to-mac-mini",
        "\"dev\":\"cluster0\"",
        "\"dev\":\"wlp4s0\"",
        "fail",
    ),
    (
        "lan10g/route/cuda-to-mac-mini",
        "\"dev\":\"cluster0\"",
        "\"gateway\":\"192.168.1.1\",\"dev\":\"cluster0\"",
        "fail",
    ),
    (
        "lan10g/route/mac-mini-to-cuda",
        "interface: en0",
        "interface: en1",
        "fail",
    ),
    (
        "lan10g/route/mac-mini-to-cuda",
        "destination:",
        "gateway: 192.168.1.1\ndestination:",
        "fail",
    ),
    (
        "lan10g/route/mac-mini-to-cuda",
        "interface:",
        "ifscope:",
        "error",
    ),
    ("lan10g/ping/cuda-to-mac-mini", "time=0.", "time=1.", "fail"),
    (
        "lan10g/ping/cuda-to-mac-mini",
        "20 packets transmitted",
        "12 packets transmitted",
        "error",
    ),
    (
        "lan10g/ping/cuda-to-mac-mini",
        "20 received",
        "19 received",
        "error",
    ),
    (
        "lan10g/full-ping/cuda-to-mac-mini",
        "time=0.",
        "time=1.",
        "fail",
    ),
    (
        "lan10g/full-ping/cuda-to-mac-mini",
        "20 packets transmitted",
        "12 packets transmitted",
        "error",
    ),
    (
        "lan10g/full-ping/cuda-to-mac-mini",
        "20 received",
        "19 received",
        "error",
    ),
    ("lan10g/ping/mac-mini-to-cuda", "time=0.", "time=1.", "fail"),
    (
        "lan10g/ping/mac-mini-to-cuda",
        "20 packets transmitted",
        "12 packets transmitted",
        "error",
    ),
    (
        "lan10g/ping/mac-mini-to-cuda",
        "20 packets received",
        "19 packets received",
        "error",
    ),
    (
        "lan10g/full-ping/mac-mini-to-cuda",
        "time=0.",
        "time=1.",
        "fail",
    ),
    (
        "lan10g/full-ping/mac-mini-to-cuda",
        "20 packets transmitted",
        "12 packets transmitted",
        "error",
    ),
    (
        "lan10g/full-ping/mac-mini-to-cuda",
        "20 packets received",
        "19 packets received",
        "error",
    ),
    (
        "lan10g/ping/cuda-to-mac-mini",
        "64 bytes from 10.0.0.2: icmp_seq=20",
        "64 bytes from 10.0.0.2: (DUP!) icmp_seq=20",
        "error",
    ),
    (
        "lan10g/throughput/mac-mini-to-cuda",
        "\"bits_per_second\":\t17564663393.738453",
        "\"bits_per_second\":\t9399999999",
        "fail",
    ),
    (
        "lan10g/throughput/cuda-to-mac-mini",
        "\"bits_per_second\":\t15710659135.554522",
        "\"bits_per_second\":\t9399999999",
        "fail",
    ),
    (
        "lan10g/mlx-health/cuda-to-mac-mini",
        "status 200",
        "status 503",
        "fail",
    ),
    (
        "lan10g/mlx-models/cuda-to-mac-mini",
        "Qwen2.5-32B",
        "Qwen2.5-14B",
        "fail",
    ),
    (
        "lan10g/mlx-models/cuda-to-mac-mini",
        "\"data\"",
        "\"models\"",
        "error",
    ),
    (
        "lan10g/mlx-chat/cuda-to-mac-mini",
        "\"content\": \"Hello\"",
        "\"content\": \"\"",
        "fail",
    ),
    (
        "lan10g/mlx-chat/cuda-to-mac-mini",
        "\"content\": \"Hello\"",
        "\"content\": null",
        "fail",
    ),
    (
        "lan10g/gateway-health/mac-mini-to-cuda",
        "status 200",
        "status 401",
        "fail",
    ),
    (
        "lan10g/gateway-models/mac-mini-to-cuda",
        "llama-3.1-8b",
        "llama-3.1-8b-instruct",
        "fail",
    ),
    (
        "lan10g/gateway-chat/mac-mini-to-cuda",
        "\"content\":\"Hello\"",
        "\"content\":\"\"",
        "fail",
    ),
    (
        "lan10g/gateway-chat/mac-mini-to-cuda",
        "status 200",
        "status 401",
        "fail",
    ),
];

#[test]
fn a_broken_value_is_noticed() {
    let checks = checks();
    let mut wrong = Vec::new();
    for (id, old, new, expected) in MUTATIONS {
        let link = checks.iter().find(|link| link.check.id == *id);
        let check = &link.unwrap_or_else(|| panic!("no check `{id}`")).check;
        let answer = String::from_utf8(good(&check.query.id).stdout).unwrap();
        assert!(
            answer.contains(old),
            "{id}: `{old}` is not in the good answer"
        );
        let result = evaluate(check, Some(&section(0, answer.replace(old, new))));
        if result.status.word() != *expected {
            wrong.push(format!("{id} with `{new}` is no {expected}: {result:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_check_is_without_a_mutation() {
    let mutated: BTreeSet<_> = MUTATIONS.iter().map(|(id, ..)| *id).collect();
    let forgotten: Vec<_> = checks()
        .into_iter()
        .map(|link| link.check.id)
        .filter(|id| !mutated.contains(id.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "nothing breaks {forgotten:#?}");
}
