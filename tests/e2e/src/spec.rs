//! What a machine is to be.

/// Which cached root filesystem a machine starts from; see `base-root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// A small server without Python.
    Plain,
    /// The same with Python and netplan.
    Python,
    /// Debian 13 with Nix and its daemon.
    Nix,
    /// A small server on the oldest systemd that is supported.
    Debian11,
    /// A small server on a new systemd.
    Debian13,
}

impl Base {
    pub(crate) fn variant(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Python => "python",
            Self::Nix => "nix",
            Self::Debian11 => "debian11",
            Self::Debian13 => "debian13",
        }
    }
}

/// What `operator` may do by sudo. The password is `operator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Everything, without being asked.
    NoPassword,
    /// Everything, with the password.
    Password,
    /// Nothing.
    Refused,
}

/// The description of a machine, made before it is booted.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    pub(crate) name: String,
    pub(crate) base: Base,
    pub(crate) sudo: Sudo,
    pub(crate) nics: Vec<String>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) files: Vec<(String, Vec<u8>, u32)>,
}

impl MachineSpec {
    /// Describes a machine with host name `name`: plain base, sudo without password, one network
    /// interface `host0`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base: Base::Plain,
            sudo: Sudo::NoPassword,
            nics: Vec::new(),
            capabilities: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Chooses the root filesystem.
    #[must_use]
    pub fn base(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    /// Chooses what `operator` may do by sudo.
    #[must_use]
    pub fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }

    /// Adds a second network interface, without address, on a bridge that all such interfaces of
    /// the world share.
    #[must_use]
    pub fn nic(mut self, name: &str) -> Self {
        self.nics.push(name.to_owned());
        self
    }

    /// Gives the container a capability that it would not have (`CAP_IPC_LOCK`).
    #[must_use]
    pub fn capability(mut self, name: &str) -> Self {
        self.capabilities.push(name.to_owned());
        self
    }

    /// Puts a file on the machine's disk before its first boot (mode 0644, owner root).
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into(), 0o644));
        self
    }

    /// The same for a program (mode 0755).
    #[must_use]
    pub fn program(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into(), 0o755));
        self
    }
}
