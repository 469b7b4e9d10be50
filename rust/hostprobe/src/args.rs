//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::item::inference::Place;

/// Proves that this host can run real-time trading code, and times it. JSON on standard output.
///
/// Exit codes: 0 no item failed, 1 one did, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Only these items; without it, all.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Name>,
    /// Huge pages that are mapped and touched; without it `hugepages` is skipped.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) hugepages: Option<u64>,
    /// Their size, in KiB.
    #[arg(long, value_name = "KIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    pub(crate) hugepage_kib: u64,
    /// Where hugetlbfs is mounted, to map a file there; without it, by `MAP_HUGETLB`, which has no part in
    /// what a mount has reserved (`min_size=`).
    #[arg(long, value_name = "PATH")]
    pub(crate) hugepage_mount: Option<PathBuf>,
    /// Memory to lock, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) memlock_mib: u64,
    /// CPUs that the engine runs on (`4,5,6,7`); without it `fifo` and `jitter` use the first allowed one.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(0..1024))]
    pub(crate) cpus: Vec<u32>,
    /// `SCHED_FIFO` priority.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=99))]
    pub(crate) priority: i32,
    /// Wake-ups measured on each CPU.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    pub(crate) cycles: u32,
    /// Time between two of them, in µs.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=1_000_000))]
    pub(crate) interval_us: u64,
    /// The latest wake-up that passes, in µs; without it jitter is measured, not judged.
    #[arg(long)]
    pub(crate) max_jitter_us: Option<u64>,
    /// Echoes over loopback through the ring.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    pub(crate) echoes: u32,
    /// Unix socket of an OpenAI-compatible server, or its address with its port (`127.0.0.1:8000`); without it `inference` is
    /// skipped.
    #[arg(long, value_name = "PLACE", requires = "model")]
    pub(crate) socket: Option<Place>,
    /// What requests call the model.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// File with the server's key, `-` for standard input; it is neither shown nor passed on.
    #[arg(long, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// Requests that are timed, after one that is not.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) requests: u32,
    /// Tokens of each prompt, by the server's own count.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) prompt_tokens: u32,
    /// Seconds after which no further request is made.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) within_s: u64,
    /// Tokens asked for in each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) tokens: u32,
    /// Maps and touches pages for the parent, which sees how far it came.
    #[arg(long, hide = true)]
    pub(crate) touch: bool,
    /// This item in this process, for the parent.
    #[arg(long, hide = true, value_name = "ITEM")]
    pub(crate) alone: Option<Name>,
}

/// What can be probed, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// A ring with registered buffers, echoing over loopback TCP.
    IoUring,
    /// Huge pages, touched one by one.
    Hugepages,
    /// Memory that stays in RAM.
    Memlock,
    /// `SCHED_FIFO` on the declared CPUs.
    Fifo,
    /// How late a sleeping thread wakes up.
    Jitter,
    /// Requests to the inference server.
    Inference,
}
