//! What is tried before anything changes: files, packages, releases of artifacts, and the operator's way in.

use std::collections::BTreeSet;

use super::header::Purpose;
use super::words::{network_programs, words};
use super::{Script, Scripts};
use crate::artifact::digest_in;
use crate::observed::SSH_UNITS;
use crate::plan::PathTarget;
use crate::rendered::{Entry, PathState};

/// The command that reads all files of netplan.
const NETPLAN: [&str; 2] = ["netplan", "generate"];

impl<'a> Scripts<'a> {
    pub(in super::super) fn validate(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::Validate));
        let validators = self.validators(None);
        self.closure_validate(&mut script);
        self.expect_releases(&mut script);
        // If one file changes, all must be read, foreign files too.
        let netplan = network_programs(self.plan, self.rendered).contains("netplan")
            && !validators.iter().any(|argv| argv.ends_with(&NETPLAN));
        let ways_in = self.ways_in();
        let archives = self.archives();
        let packages = !self.installs.is_empty() || !archives.is_empty();
        if validators.is_empty() && ways_in.is_empty() && !packages && !netplan {
            return script;
        }
        self.merge(&mut script);
        if !self.installs.is_empty() {
            script.call("expect_packages", &[]);
        }
        for argv in validators {
            script.call("run_validator", &argv);
        }
        if netplan {
            script.call("run_validator", &NETPLAN);
        }
        for way_in in ways_in {
            script.call(way_in, &[]);
        }
        script.call_if_any("check_archives", &archives);
        script.call_if_any("allow_removal_of", &self.replaced());
        self.package_files(&mut script);
        script.call_if_any("simulate_packages", &self.install_words());
        script.call_if_any("download_packages", &self.install_words());
        for package in &self.installs {
            let validators = self.validators(Some(package));
            if !validators.is_empty() {
                script.call("borrow_package", &[package]);
            }
            for argv in validators {
                script.call("run_validator", &argv);
            }
        }
        script
    }

    /// The distinct validators of the changed files that run with the package `borrowed`, which this apply installs; with
    /// `None`, those that run with what the host has.
    fn validators(&self, borrowed: Option<&str>) -> Vec<Vec<&'a str>> {
        let mut validators = Vec::new();
        let changes = self.plan.paths.iter();
        for managed in changes.filter_map(|change| self.entry(change)) {
            let package = managed.validator_package.as_ref();
            let argv = managed.validator.iter().flatten().map(String::as_str);
            let argv: Vec<&str> = argv.collect();
            if package.and_then(|package| self.install_word(package)) == borrowed
                && !argv.is_empty()
                && !validators.contains(&argv)
            {
                validators.push(argv);
            }
        }
        validators
    }

    /// Puts the staged files over the host's own `/etc`, where validators see them.
    fn merge(&self, script: &mut Script) {
        script.call("merge_begin", &[]);
        for change in &self.plan.paths {
            let path = change.path.as_str();
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::File { ownership, .. }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("merge_file", &[path, &mode, &owner, &group]);
                }
                Some(Entry::Directory { ownership }) => {
                    script.call("merge_directory", &[path, &ownership.mode.to_string()]);
                }
                Some(Entry::Symlink { target }) => script.call("merge_symlink", &[path, target]),
                Some(Entry::Absent) => script.call("merge_removal", &[path]),
                None => script.call("merge_original", &[path]),
            }
        }
        script.call("merge_end", &[]);
    }
}

impl Scripts<'_> {
    /// What of the operator's way in this plan may change: the host's own sshd and sudo are asked about it.
    fn ways_in(&self) -> Vec<&'static str> {
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

impl Scripts<'_> {
    /// Also of links that no artifact stands behind: a generation of a first step keeps the link to a former release alone.
    fn expect_releases(&self, script: &mut Script) {
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
