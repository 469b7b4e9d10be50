//! One package, made by the real `dpkg-deb`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::output::stdout_of;

/// A package: a name, a version, what it needs, and a few small files.
#[derive(Debug, Clone)]
pub struct Deb {
    name: String,
    version: String,
    fields: Vec<(&'static str, String)>,
    files: Vec<(String, String)>,
    conffiles: Vec<String>,
    scripts: Vec<(&'static str, String)>,
}

impl Deb {
    /// Describes a package with nothing in it, for every architecture.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: Vec::new(),
            files: Vec::new(),
            conffiles: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Adds a field of the control file, such as `Provides`.
    #[must_use]
    pub fn field(mut self, field: &'static str, value: &str) -> Self {
        self.fields.push((field, value.to_owned()));
        self
    }

    /// Says what has to be installed with it: `"a, b (= 1.0)"`.
    #[must_use]
    pub fn depends(self, packages: &str) -> Self {
        self.field("Depends", packages)
    }

    /// Says what has to go when it comes.
    #[must_use]
    pub fn conflicts(self, packages: &str) -> Self {
        self.field("Conflicts", packages)
    }

    /// Adds a file; executable if it is a program (begins with `#!`).
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }

    /// Adds a configuration file, which dpkg does not overwrite once a person has changed it.
    #[must_use]
    pub fn conffile(mut self, path: &str, content: &str) -> Self {
        self.conffiles.push(path.to_owned());
        self.file(path, content)
    }

    /// Adds a service that does nothing for ever, enabled and started when the package is
    /// configured by what debhelper writes for that (so `policy-rc.d` can hold it back).
    #[must_use]
    pub fn service(self, unit: &str) -> Self {
        let content = format!(
            "[Unit]\nDescription={unit} of the tests\n[Service]\nExecStart=/bin/sleep infinity\n\
             [Install]\nWantedBy=multi-user.target\n"
        );
        self.file(&format!("/lib/systemd/system/{unit}"), &content)
            .postinst(&format!(
                "if [ \"$1\" = configure ]; then\n\
                 deb-systemd-helper enable '{unit}' >/dev/null\n\
                 if [ -d /run/systemd/system ]; then\n\
                 systemctl --system daemon-reload >/dev/null || true\n\
                 if [ -n \"$2\" ]; then action=restart; else action=start; fi\n\
                 deb-systemd-invoke $action '{unit}' >/dev/null || true\nfi\nfi"
            ))
    }

    /// Adds a script that runs after the files are there; it may fail.
    #[must_use]
    pub fn postinst(self, body: &str) -> Self {
        self.script("postinst", body)
    }

    /// Adds a maintainer script: `preinst`, `postinst`, `prerm` or `postrm`.
    #[must_use]
    pub fn script(mut self, when: &'static str, body: &str) -> Self {
        self.scripts
            .push((when, format!("#!/bin/sh\nset -e\n{body}\n")));
        self
    }

    /// Returns the name of the file that [`Deb::build`] makes.
    pub(super) fn file_name(&self) -> String {
        format!("{}_{}_all.deb", self.name, self.version.replace(':', "%3a"))
    }

    /// Builds the package below `pool`.
    pub(super) fn build(&self, pool: &Path) -> Result<()> {
        let tree = tempfile::tempdir()?;
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755))?;
        let put = |path: &str, content: &str, program: bool| -> Result<()> {
            let path = tree.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().context("a file needs a directory")?)?;
            fs::write(&path, content)?;
            let mode = if program { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            Ok(())
        };
        put("DEBIAN/control", &self.control(), false)?;
        for (when, script) in &self.scripts {
            put(&format!("DEBIAN/{when}"), script, true)?;
        }
        if !self.conffiles.is_empty() {
            put(
                "DEBIAN/conffiles",
                &(self.conffiles.join("\n") + "\n"),
                false,
            )?;
        }
        for (path, content) in &self.files {
            put(path, content, content.starts_with("#!"))?;
        }
        stdout_of(
            Command::new("dpkg-deb")
                .args(["--build", "--root-owner-group", "-Znone"])
                .args([tree.path(), &pool.join(self.file_name())]),
        )?;
        Ok(())
    }

    fn control(&self) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: tests <tests@localhost>\n\
             Description: {} of the tests\n",
            self.name, self.version, self.name,
        );
        for (field, value) in &self.fields {
            writeln!(text, "{field}: {value}").expect("a string takes what is written");
        }
        text
    }
}
