//! What a script asks the host's own programs about the operator's way in.

use super::Scripts;
use crate::observed::SSH_UNITS;

impl Scripts<'_> {
    /// What of the operator's way in this plan may change: the host's own sshd and sudo are asked about it.
    pub(super) fn ways_in(&self) -> Vec<&'static str> {
        let below = |places: &[&str]| {
            let mut paths = self.plan.paths.iter().map(|change| change.path.as_str());
            paths.any(|path| places.iter().any(|place| path.starts_with(place)))
        };
        let loads_sshd = self
            .plan
            .units
            .iter()
            .any(|change| SSH_UNITS.contains(&change.unit.as_str()));
        let mut ways_in = Vec::new();
        if loads_sshd || below(&["/etc/ssh/"]) {
            ways_in.push("check_login_with_sshd");
        }
        if below(&["/etc/sudo", "/etc/pam.d/", "/etc/security/"]) {
            ways_in.push("check_root_with_sudo");
        }
        ways_in
    }
}
