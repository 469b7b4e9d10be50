//! What is tried before anything changes.

use super::header::Purpose;
use super::words::words;
use super::{Script, Scripts, network};
use crate::rendered::Entry;

/// The command that reads all files of netplan.
const NETPLAN: [&str; 2] = ["netplan", "generate"];

impl<'a> Scripts<'a> {
    pub(in super::super) fn validate(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::Validate));
        let validators = self.validators(None);
        self.closure_validate(&mut script);
        self.expect_releases(&mut script);
        // If one file changes, all must be read, foreign files too.
        let netplan = network::parts(self.plan, self.rendered).contains("netplan")
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
