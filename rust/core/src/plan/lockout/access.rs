//! Who still gets in once a file of keys is taken away.

use super::Scene;
use crate::plan::{Finding, PathTarget};

/// Says of every account whose keys go what stays of its ways in.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    scene
        .plan
        .paths
        .iter()
        .filter(|change| change.after == PathTarget::Original)
        .filter_map(|change| change.path.as_str().strip_prefix("/etc/ssh/authorized_keys.d/"))
        .map(|user| {
            Finding::warn(
                "access",
                format!(
                    "the declared keys of `{user}` go; the account stays, and every `~/.ssh/authorized_keys` that holds one of them still opens its account"
                ),
                Some(format!(
                    "`deployctl verify --only 'ssh/other-keys/*'` lists keys that no fact declares; on the host: `userdel {user}`"
                )),
            )
        })
        .collect()
}
