//! The packages of a plan, as words of its scripts.

use super::{Script, Scripts};
use crate::name::PackageName;
use crate::plan::{PackageAction, PackageChange};

/// `NAME` or `NAME=VERSION`.
pub(super) fn install_word(package: &PackageChange) -> String {
    match &package.after {
        Some(version) => format!("{}={version}", package.name),
        None => package.name.to_string(),
    }
}

impl<'a> Scripts<'a> {
    /// Says which packages apt takes from files.
    pub(super) fn package_files(&self, script: &mut Script) {
        for package in &self.plan.packages {
            if let Some(file) = &package.file {
                script.call("take_from_file", &[&install_word(package), file.as_str()]);
            }
        }
    }

    pub(super) fn install_words(&self) -> Vec<&str> {
        self.installs.iter().map(String::as_str).collect()
    }

    /// `NAME` or `NAME=VERSION`, where this apply installs `package`.
    pub(super) fn install_word(&self, package: &PackageName) -> Option<&str> {
        let mut words = self.installs.iter().map(String::as_str);
        words.find(|word| word.split('=').next() == Some(package.as_str()))
    }

    /// Packages that may be removed for what replaces them.
    pub(super) fn replaced(&self) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .flat_map(|package| package.replaces.iter().map(PackageName::as_str))
            .collect()
    }

    pub(super) fn packages(&self, action: PackageAction) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .filter(|package| package.action == action)
            .map(|package| package.name.as_str())
            .collect()
    }
}
