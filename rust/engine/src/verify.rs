//! Asks a host all its checks in one exec.

use deployctl_core::check::{self, Check};
use deployctl_core::name::HostName;
use deployctl_core::report::{HostReport, Outcome};

use crate::apply::outcome;
use crate::ask::ask;
use crate::connect::Connector;
use crate::prepare::unanswered;

/// Connects, asks, and judges. What goes wrong is that host's report.
pub async fn verify(connector: &dyn Connector, host: HostName, checks: Vec<Check>) -> HostReport {
    let link = match connector.connect(&host).await {
        Ok(link) => link,
        Err(error) => return HostReport::ended(host, outcome::transport(&error)),
    };
    let results = if link.is_sandbox() {
        check::skip_all(&checks, "sandbox")
    } else {
        match ask(link.as_ref(), &check::queries(&checks)).await {
            Ok(answers) => check::evaluate_all(&checks, &answers),
            Err(error) => return HostReport::ended(host, unanswered(&error)),
        }
    };
    HostReport {
        checks: results,
        ..HostReport::ended(host, Outcome::Verified)
    }
}
