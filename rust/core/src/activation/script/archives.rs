//! The archives that a plan brings to a host.

use super::Scripts;
use crate::plan::read_anew;

impl<'a> Scripts<'a> {
    /// Files of sources that apt is to read anew.
    pub(super) fn archives(&self) -> Vec<&'a str> {
        let lists = read_anew(self.plan, self.rendered).into_iter();
        lists.map(|(path, _)| path.as_str()).collect()
    }
}
