//! A product of matrices on the GPU, held against the CPU's.

use serde::Deserialize;

use crate::answer::{Answer, Found, Holds, Unreadable};
use crate::{Bound, Measurement};

/// From this size on a GPU is faster than any CPU; below, starting its kernel takes longer than the work.
const FASTER_FROM: u32 = 1024;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Rows and columns.
    size: u32,
    /// Largest difference of an element that passes.
    max_error: f64,
    /// The GPU's compute capability.
    #[serde(default)]
    capability: Option<String>,
    /// What to do where the GPU has too little memory left.
    #[serde(default)]
    memory_hint: Option<String>,
}

/// What the script reports; nothing where there is no interpreter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    torch: Option<String>,
    cuda: Option<String>,
    device: Option<String>,
    capability: Option<String>,
    difference: Option<f64>,
    #[serde(default)]
    gpu_ms: Vec<f64>,
    #[serde(default)]
    cpu_ms: Vec<f64>,
    trouble: Option<String>,
}

pub(super) fn judge(options: &Options, answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let (most, faster) = (options.max_error, options.size >= FASTER_FROM);
    let report: Report = answer.json()?;
    if let Some(words) = &report.trouble {
        return Ok(trouble(words, report.torch.as_deref(), options));
    }
    let (Some(torch), Some(device), Some(found), Some(difference)) = (
        &report.torch,
        &report.device,
        &report.capability,
        report.difference,
    ) else {
        return if report.torch.is_none() && report.device.is_none() {
            Ok(Found::when(false, "there is no such interpreter")
                .or_hint("the environment is made by hand: uv venv, then uv pip sync from a lock"))
        } else {
            Err(Unreadable::new("no product in the answer"))
        };
    };
    let (gpu, cpu) = (median(&report.gpu_ms)?, median(&report.cpu_ms)?);
    let right_device = options.capability.as_ref().is_none_or(|it| it == found);
    let close = (0.0..=most).contains(&difference);
    let sooner = !faster || gpu < cpu;
    let cuda = report.cuda.as_deref().unwrap_or("none");
    let evidence = format!(
        "{device}, capability {found}, PyTorch {torch} for CUDA {cuda}: {difference:.6} off, \
         {gpu:.2} ms, on the CPU {cpu:.2} ms"
    );
    let hint = if !right_device {
        "PyTorch's first GPU is another one than declared: CUDA_VISIBLE_DEVICES, nvidia-smi -L"
    } else if !close {
        "TF32 or half precision is in effect in spite of what was asked, or the GPU's memory is failing"
    } else {
        "the GPU is busy, throttled or capped: nvidia-smi -q -d PERFORMANCE"
    };
    let mut times = Measurement::new("product on the GPU", "ms")
        .statistic("p50", gpu)
        .samples(report.gpu_ms.iter().copied());
    if faster {
        times = times.limit("p50", Bound::AtMost, cpu);
    }
    Ok(Found::when(right_device && close && sooner, evidence)
        .or_hint(hint)
        .measuring([
            Measurement::new("largest difference of an element", "")
                .statistic("value", difference)
                .limit("value", Bound::AtMost, most),
            times,
            Measurement::new("product on the CPU", "ms")
                .statistic("p50", cpu)
                .samples(report.cpu_ms.iter().copied()),
        ]))
}

/// The median of some times.
fn median(times: &[f64]) -> Result<f64, Unreadable> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len() / 2)
        .copied()
        .filter(|time| time.is_finite() && *time >= 0.0)
        .ok_or_else(|| Unreadable::new("no times in the answer"))
}

/// What `PyTorch` says where the GPU has too little memory left.
const OUT_OF_MEMORY: &str = "out of memory";

/// Parts of `PyTorch`'s errors, each with its hint.
const TROUBLES: &[(&str, &str)] = &[
    (
        "No module named 'torch'",
        "another environment than declared, or one without PyTorch",
    ),
    (
        "not compiled with CUDA enabled",
        "this is PyTorch's build for CPUs: install the one for CUDA",
    ),
    (
        "NVIDIA driver on your system is too old",
        "this PyTorch is for a newer CUDA than the driver can do: a later branch, or PyTorch for an older CUDA",
    ),
    (
        "Found no NVIDIA driver",
        "the driver's module is not loaded: modprobe nvidia nvidia_uvm, dkms status",
    ),
    (
        "No CUDA GPUs are available",
        "the driver sees no GPU, or CUDA_VISIBLE_DEVICES hides it",
    ),
    (
        OUT_OF_MEMORY,
        "another program holds the GPU's memory: nvidia-smi",
    ),
    (
        "no kernel image is available",
        "this PyTorch was not built for this GPU's compute capability",
    ),
];

fn trouble(words: &str, torch: Option<&str>, options: &Options) -> Found {
    let evidence = match torch {
        Some(torch) => format!("PyTorch {torch}: {words}"),
        None => words.to_owned(),
    };
    if words.contains("unsupported display driver / cuda driver combination") {
        return Found {
            evidence,
            holds: Holds::AfterReboot(
                "the driver was upgraded, the old one's module is still loaded".to_owned(),
            ),
            measured: Vec::new(),
        };
    }
    let known = TROUBLES.iter().find(|(sign, _)| words.contains(sign));
    let hint = match (known, &options.memory_hint) {
        (Some((OUT_OF_MEMORY, _)), Some(told)) => told.as_str(),
        (Some((_, hint)), _) => hint,
        (None, _) => "on the host: run it by hand",
    };
    Found::when(false, evidence).or_hint(hint)
}
