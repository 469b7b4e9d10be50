//! A kernel of one's own, from `host.kernel.symbols`: what its configuration must say, and why a source
//! may not let it.

mod config;
mod explain;
mod expression;
mod kconfig;

pub use config::{Config, LOCAL_VERSION, Missed, ON_HOST, Value, Wanted, fragment, wanted};
pub use explain::{Reason, Verdict, judge};
pub use kconfig::{Definition, Kconfig};
