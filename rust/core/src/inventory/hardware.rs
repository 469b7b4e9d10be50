//! `hardware`: what the machine is made of. Read by cross-references and checks, never rendered.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Line;

/// The machine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Main board or model.
    pub board: Line,
    /// Processor.
    pub cpu: Cpu,
    /// Memory in GiB.
    #[schemars(range(min = 1, max = 65536))]
    pub memory_gib: u32,
    /// Kind of memory.
    #[schemars(extend("x-optional" = true))]
    pub memory: Option<Line>,
    /// Graphics processor; what must be found of NVIDIA's is `nvidia.gpu`.
    #[schemars(extend("x-optional" = true))]
    pub gpu: Option<Line>,
    /// Case.
    #[schemars(extend("x-optional" = true))]
    pub case: Option<Line>,
    /// Cooler of the processor.
    #[schemars(extend("x-optional" = true))]
    pub cooler: Option<Line>,
    /// Disks.
    pub disks: Vec<Line>,
    /// Network adapters.
    pub nics: Vec<Line>,
    /// Power supply; null where there is nothing to say.
    pub power_supply: Option<Line>,
    /// Uninterruptible power supply; null for none.
    pub ups: Option<Line>,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Its name.
    pub model: Line,
    /// Cores.
    #[schemars(range(min = 1, max = 4096))]
    pub cores: u16,
    /// Hardware threads: the CPUs that the kernel sees.
    #[schemars(range(min = 1, max = 8192))]
    pub threads: u16,
}
