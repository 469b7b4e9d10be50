//! Making a machine's disk: an overlay on a cached root, and what makes the machine itself.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::output::stdout_of;
use crate::spec::{MachineSpec, Sudo};
use crate::world::{Site, base_root};

/// Makes the disk below `dir` and returns the machine's public host key.
pub(super) fn make(
    site: &Site,
    spec: &MachineSpec,
    dir: &Path,
    address: Ipv4Addr,
) -> Result<String> {
    let base = base_root(spec.base)?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| dir.join(name));
    for part in [&upper, &work, &root] {
        fs::create_dir_all(part)?;
    }
    let [lower, upper, work] = [base.as_path(), &upper, &work].map(Path::display);
    let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    stdout_of(
        Command::new("mount")
            .args(["-t", "overlay", "deployctl-tests", "-o", &layers])
            .arg(&root),
    )?;

    let write = |path: &str, content: &[u8]| write(&root, path, content);
    write("etc/hostname", format!("{}\n", spec.name).as_bytes())?;
    write(
        "etc/hosts",
        format!("127.0.0.1 localhost\n127.0.1.1 {}\n", spec.name).as_bytes(),
    )?;
    // A machine id is 128 random bits without dashes, which is what a UUID is but for six of them.
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    write("etc/machine-id", uuid.replace('-', "").as_bytes())?;
    write(
        "etc/systemd/network/10-host0.network",
        network(address).as_bytes(),
    )?;
    let sudo: Option<&[u8]> = match spec.sudo {
        Sudo::NoPassword => Some(b"operator ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        Sudo::Password => Some(b"operator ALL=(ALL:ALL) ALL\n"),
        Sudo::Refused => None,
    };
    if let Some(rule) = sudo {
        write("etc/sudoers.d/operator", rule)?;
        let rule = root.join("etc/sudoers.d/operator");
        fs::set_permissions(rule, fs::Permissions::from_mode(0o440))?;
    }
    // Rewritten, not copied: the files are there in the base, with the right owner.
    let key = fs::read(site.key().with_extension("pub"))?;
    for home in ["root", "home/operator"] {
        write(&format!("{home}/.ssh/authorized_keys"), &key)?;
    }
    let host_key = root.join("etc/ssh/ssh_host_ed25519_key");
    stdout_of(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", &spec.name, "-f"])
            .arg(&host_key),
    )?;
    for (path, content, mode) in &spec.files {
        write(path, content)?;
        let path = root.join(path.trim_start_matches('/'));
        fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
    }

    let public = fs::read_to_string(host_key.with_extension("pub"))?;
    let [kind, key, ..] = *public.split(' ').collect::<Vec<_>>() else {
        bail!("`ssh-keygen` wrote a public key of one word");
    };
    let host_key = format!("{kind} {key}");
    fs::write(dir.join("known_hosts"), format!("{address} {host_key}\n"))?;
    Ok(host_key)
}

/// Writes a file of the disk, and the folders above it.
fn write(root: &Path, path: &str, content: &[u8]) -> Result<()> {
    let path = root.join(path.trim_start_matches('/'));
    let parent = path.parent().context("a file needs a directory")?;
    fs::create_dir_all(parent)?;
    fs::write(&path, content).with_context(|| format!("failed to write `{}`", path.display()))
}

/// Returns the networkd file that gives the machine its address.
fn network(address: Ipv4Addr) -> String {
    format!(
        "[Match]\nName=host0\n[Network]\nAddress={address}/24\nGateway=10.231.0.1\n\
         LinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n"
    )
}
