//! `hardware`: what the machine is made of. Cross-references compare CPU and memory with other facts, and the page of a
//! report shows them; no template reads them. The other parts are prose.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Line;

/// The machine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Main board or model.
    #[schemars(extend("x-optional" = true))]
    pub board: Option<Line>,
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
    #[schemars(extend("x-optional" = true))]
    pub disks: Option<Vec<Line>>,
    /// Network adapters.
    #[schemars(extend("x-optional" = true))]
    pub nics: Option<Vec<Line>>,
    /// Power supply.
    #[schemars(extend("x-optional" = true))]
    pub power_supply: Option<Line>,
    /// Uninterruptible power supply.
    #[schemars(extend("x-optional" = true))]
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
