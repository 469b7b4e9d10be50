//! `vllm`: inference on the GPU.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Label, ModelId, ServedName, Version};
use crate::name::{AccountName, ManagedPath};

/// The server.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vllm {
    /// Version of vLLM.
    pub version: Version,
    /// What it serves.
    pub model: Model,
    /// User that it runs as.
    pub user: AccountName,
    /// Group that may use its socket.
    pub group: AccountName,
    /// Unix socket that it listens on.
    pub socket: ManagedPath,
    /// Name of the secret that holds its key.
    pub credential: Label,
    /// Number format of the weights.
    pub dtype: Dtype,
    /// Longest context in tokens.
    #[schemars(range(min = 128, max = 10_485_760))]
    pub max_model_len: u32,
    /// Sequences in flight.
    #[schemars(range(min = 1, max = 4096))]
    pub max_num_seqs: u32,
    /// Share of the GPU's memory.
    #[schemars(range(min = 0.1, max = 0.98))]
    pub gpu_memory_utilization: f64,
    /// Seconds that its start may take: loading is slow, and not a failure.
    #[schemars(range(min = 10, max = 7200))]
    pub start_timeout_seconds: u32,
    /// What verification measures against.
    pub latency: Latency,
}

/// A model on disk.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where it comes from.
    pub id: ModelId,
    /// Where it lies.
    pub path: ManagedPath,
    /// What requests call it.
    pub served_name: ServedName,
}

/// Thresholds, at concurrency 1, warm, prefix cache off.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Milliseconds to the first token, 95th percentile.
    #[schemars(range(min = 1, max = 600_000))]
    pub ttft_ms_p95: u32,
    /// Milliseconds between tokens, 95th percentile.
    #[schemars(range(min = 1, max = 600_000))]
    pub itl_ms_p95: u32,
    /// Tokens of the prompt that is measured.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub prompt_tokens: u32,
    /// Tokens of each answer that is measured.
    #[schemars(range(min = 2, max = 4096))]
    pub output_tokens: u32,
    /// Answers that are measured, after one that is not.
    #[schemars(range(min = 5, max = 10_000))]
    pub requests: u32,
    /// Milliseconds to the whole answer of one token, 99th percentile: what a strategy waits for.
    #[schemars(range(min = 1, max = 600_000))]
    pub e2e_ms_p99: u32,
}

/// Number formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Dtype {
    /// As the model says.
    Auto,
    /// 8-bit exponent.
    Bfloat16,
    /// 5-bit exponent.
    Float16,
    /// Full.
    Float32,
}
