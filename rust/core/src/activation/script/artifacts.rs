//! Lines for artifacts: switching one is a link like others, so all that is left is to look whether it is there.

use super::{Script, Scripts};

impl Scripts<'_> {
    pub(super) fn expect_releases(&self, script: &mut Script) {
        for change in &self.plan.artifacts {
            let release = format!("{}/releases/{}", change.base, change.after);
            script.call("expect_release", &[&release]);
        }
    }
}
