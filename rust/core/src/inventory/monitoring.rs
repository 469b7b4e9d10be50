//! `monitoring`: what this host tells Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{IpText, Label, MetricName, UrlPath};

/// Exporters.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    /// By what we call them: `node`, `gpu`, `ups`.
    #[schemars(length(min = 1))]
    pub exporters: BTreeMap<Label, Exporter>,
}

/// One exporter, asked over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// Address that it listens on.
    pub address: IpText,
    /// Port that it listens on.
    pub port: Port,
    /// Where its metrics are.
    pub path: UrlPath,
    /// Metrics that must be among them, or the beginning of their names.
    #[schemars(length(min = 1))]
    pub metrics: BTreeSet<MetricName>,
}
