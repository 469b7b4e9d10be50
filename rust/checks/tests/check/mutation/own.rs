//! Mutations of the checks that the inventory itself declares.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    ("extra/check/gpu-temperature", "41", "84", "fail"),
    ("extra/check/gpu-temperature", "41", "9.5", "fail"),
    ("extra/check/gpu-temperature", "41", "83.5", "fail"),
    ("extra/check/gpu-temperature", "41", "nan", "error"),
    ("extra/check/gpu-temperature", "41", "inf", "error"),
    ("extra/check/gpu-temperature", "41", "41 °C", "error"),
    ("extra/check/gpu-temperature", "41", "[N/A]", "error"),
    (
        "extra/check/report-ready",
        "SubState=running",
        "SubState=auto-restart",
        "fail",
    ),
    (
        "extra/check/report-ready",
        "ActiveState=active",
        "ActiveState=inactive",
        "fail",
    ),
    (
        "extra/check/no-legacy-rules",
        "No such file or directory",
        "Operation not permitted",
        "fail",
    ),
];
