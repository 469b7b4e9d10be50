//! Every environment variable that deployctl reads.

use std::env;
use std::path::PathBuf;

/// A file whose first line is the password that sudo wants on the hosts; as `--sudo-password-file`.
pub(crate) const SUDO_PASSWORD_FILE: &str = "DEPLOYCTL_SUDO_PASSWORD_FILE";
/// The ssh configuration read after our own blocks instead of `~/.ssh/config`; empty for none.
pub(crate) const SSH_CONFIG: &str = "DEPLOYCTL_SSH_CONFIG";
/// Who logs in on the hosts instead of the inventory's `connection.user`; as `--user`.
pub(crate) const SSH_USER: &str = "DEPLOYCTL_SSH_USER";
/// The repository; as `--repo`.
pub(crate) const REPO: &str = "DEPLOYCTL_REPO";
/// Colours are off when it is set to anything (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// A file with the secret key that signs what is copied to Nix hosts; as `--signing-key-file`.
pub(crate) const SIGNING_KEY_FILE: &str = "DEPLOYCTL_SIGNING_KEY_FILE";
/// The probe that is uploaded to Linux hosts; as `--hostprobe`.
pub(crate) const HOSTPROBE: &str = "DEPLOYCTL_HOSTPROBE";
/// Where earlier runs are kept; `~/.local/state` when it is not set.
const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Where evaluations are remembered; `~/.cache` when it is not set.
const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// The user's own directory.
const HOME: &str = "HOME";
/// Where the run's private directory is made, when it is set.
const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// The editor for `deployctl secret edit`.
const EDITOR: [&str; 2] = ["VISUAL", "EDITOR"];
/// For the record on the host: who started an apply.
const USER: [&str; 3] = ["USER", "LOGNAME", "USERNAME"];

fn path(name: &str) -> Option<PathBuf> {
    text(name).map(PathBuf::from)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// See [`SUDO_PASSWORD_FILE`].
pub(crate) fn sudo_password_file() -> Option<PathBuf> {
    path(SUDO_PASSWORD_FILE)
}

/// See [`SSH_CONFIG`]; `None` where it is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
pub(crate) fn ssh_config() -> Option<PathBuf> {
    env::var_os(SSH_CONFIG).map(PathBuf::from)
}

/// See [`SSH_USER`].
pub(crate) fn ssh_user() -> Option<String> {
    text(SSH_USER)
}

/// See [`SIGNING_KEY_FILE`].
pub(crate) fn signing_key_file() -> Option<PathBuf> {
    path(SIGNING_KEY_FILE)
}

/// The private SSH keys that a user has by default, whether or not they are there.
pub(crate) fn ssh_keys() -> Vec<PathBuf> {
    let home = path(HOME);
    let keys = ["id_ed25519", "id_rsa"];
    home.map(|home| keys.map(|key| home.join(".ssh").join(key)).into())
        .unwrap_or_default()
}

/// The user's editor, a command line.
pub(crate) fn editor() -> Option<String> {
    EDITOR.into_iter().find_map(text)
}

/// Folders that may be kept in memory.
pub(crate) fn memory_directories() -> Vec<PathBuf> {
    let own = path(XDG_RUNTIME_DIR).into_iter();
    own.chain([PathBuf::from("/dev/shm")]).collect()
}

/// Where deployctl keeps what it can find out again.
pub(crate) fn cache_directory() -> Option<PathBuf> {
    path(XDG_CACHE_HOME)
        .filter(|path| path.is_absolute())
        .or_else(|| path(HOME).map(|home| home.join(".cache")))
        .map(|cache| cache.join("deployctl"))
}

/// See [`HOSTPROBE`].
pub(crate) fn hostprobe() -> Option<PathBuf> {
    path(HOSTPROBE)
}

/// Where deployctl keeps what it cannot find out again; `None` without a home.
pub(crate) fn state_directory() -> Option<PathBuf> {
    path(XDG_STATE_HOME)
        .filter(|path| path.is_absolute())
        .or_else(|| path(HOME).map(|home| home.join(".local/state")))
        .map(|state| state.join("deployctl"))
}

/// See [`REPO`].
pub(crate) fn repo() -> Option<PathBuf> {
    path(REPO)
}

/// See [`NO_COLOR`].
pub(crate) fn no_color() -> bool {
    text(NO_COLOR).is_some()
}

/// A directory with a short path, for control sockets.
pub(crate) fn runtime_directory() -> PathBuf {
    path(XDG_RUNTIME_DIR)
        .filter(|path| path.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Who runs this, where the environment says so.
pub(crate) fn user() -> Option<String> {
    USER.into_iter().find_map(text)
}
