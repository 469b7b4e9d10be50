//! Lines for artifacts: switching one is a link like others, so all that is left is to look whether it is there.

use std::collections::BTreeSet;

use super::{Script, Scripts};
use crate::artifact::digest_in;
use crate::plan::PathTarget;
use crate::rendered::PathState;

impl Scripts<'_> {
    /// Also of links that no artifact stands behind: a generation of a first step keeps the link to a former release alone.
    pub(super) fn expect_releases(&self, script: &mut Script) {
        let artifacts = self.plan.artifacts.iter();
        let staged = artifacts.map(|change| format!("{}/releases/{}", change.base, change.after));
        let links = self.plan.paths.iter().filter_map(|change| {
            let PathTarget::Entry {
                state: PathState::Symlink { target },
            } = &change.after
            else {
                return None;
            };
            let base = change.path.as_str().strip_suffix("/current")?;
            digest_in(target)?;
            Some(format!("{base}/{target}"))
        });
        let releases: BTreeSet<String> = staged.chain(links).collect();
        for release in releases {
            script.call("expect_release", &[&release]);
        }
    }
}
