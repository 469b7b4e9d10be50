//! Findings about the host as such: the right one, in a state to be worked on.

use super::target::Target;
use super::{Finding, Override, PlanOptions};
use crate::inventory::Platform;
use crate::name::HostName;
use crate::observed::Observed;
use crate::rendered::Rendered;

/// Everything that must be right before any change is looked at.
pub(super) fn findings(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    options: PlanOptions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let host = &target.host;
    let given = rendered.platform();
    if given != target.platform {
        let given = match given {
            Platform::Ubuntu => "files",
            Platform::Nixos => "a NixOS system",
            Platform::Darwin => "a nix-darwin system",
        };
        findings.push(Finding::refuse(
            "platform",
            format!(
                "`{host}` is declared as `{}`, and what it would get is {given}",
                target.platform
            ),
            "a generation of another platform is not applied; reinstall the host where the platform was changed",
        ));
    }
    findings.extend(pending(host, observed));
    if !options.sandbox {
        findings.extend(identity(target, observed));
        findings.extend(memory(target, observed));
        findings.extend(system(target, observed, given));
    }
    findings.extend(unanswered(rendered, observed));
    findings
}

fn identity(target: &Target, observed: &Observed) -> Option<Finding> {
    let host = &target.host;
    let found = &observed.identity.machine_id_sha256;
    match &target.machine_id_sha256 {
        Some(pinned) if pinned != found => {
            let named = if observed.identity.hostname.is_empty() {
                String::new()
            } else {
                format!(" (it calls itself `{}`)", observed.identity.hostname)
            };
            Some(Finding::refuse(
                "identity",
                format!(
                    "the machine at `{}` is not the adopted `{host}`{named}",
                    target.address
                ),
                format!(
                    "check the address; if `{host}` was reinstalled on purpose: `deployctl adopt {host}`"
                ),
            ))
        }
        Some(_) => None,
        None => Some(Finding::warn(
            "identity",
            format!("`{host}` is not pinned to a machine yet"),
            Some(format!(
                "`deployctl adopt {host}` pins its identity and host key"
            )),
        )),
    }
}

/// What is committed there was made for another platform: its originals are not this one's files.
fn memory(target: &Target, observed: &Observed) -> Option<Finding> {
    let manifest = observed.manifest.as_ref()?;
    let of_files = !manifest.paths.is_empty() || !manifest.packages.is_empty();
    let made_for = manifest.closure.as_ref().map(|closure| closure.platform);
    let made_for = made_for.or(of_files.then_some(Platform::Ubuntu));
    made_for.is_some_and(|made_for| made_for != target.platform).then(|| {
        let host = &target.host;
        Finding::refuse(
            "platform",
            format!(
                "the generations that `{host}` remembers are of another platform than `{}`",
                target.platform
            ),
            format!("if `{host}` was converted on purpose, put `/var/lib/deployctl` aside there: `mv /var/lib/deployctl /var/lib/deployctl.old`"),
        )
    })
}

fn system(target: &Target, observed: &Observed, given: Platform) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (os, declared) = (&observed.os, &target.os);
    let same_version = match given {
        Platform::Ubuntu => declared.version.is_empty() || os.version == declared.version,
        // The new system contains its own release.
        Platform::Nixos => true,
        Platform::Darwin => os
            .version
            .strip_prefix(&declared.version)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
    };
    if os.id != declared.id || !same_version {
        findings.push(Finding::refuse(
            "os",
            format!(
                "`{}` runs `{}`; `{}` is declared",
                target.host,
                words(&os.id, &os.version),
                words(&declared.id, &declared.version)
            ),
            "set the `os` fact to what is there, or upgrade the host first",
        ));
    }
    if !observed.root {
        findings.push(Finding::refuse(
            "privilege",
            format!("`{}` is not root on `{}`", target.user, target.host),
            "log in as root, or set `connection.become` to `sudo`",
        ));
    }
    if !observed.systemd && given.is_linux() {
        findings.push(Finding::refuse(
            "systemd",
            format!("systemd does not run on `{}`", target.host),
            "boot it with systemd as PID 1",
        ));
    }
    if observed.root {
        // A system that Nix builds has its own `/etc`, which may be an image.
        let ours = |directory: &&String| !given.runs_closure() || *directory != "/etc";
        for directory in observed.read_only.iter().filter(ours) {
            findings.push(Finding::refuse(
                "read-only",
                format!("`{directory}` is not writable on `{}`", target.host),
                format!("see why it is mounted read-only: `findmnt -T {directory}`, `dmesg`"),
            ));
        }
    }
    findings
}

fn words(id: &str, version: &str) -> String {
    let id = if id.is_empty() { "unknown" } else { id };
    format!("{id} {version}").trim_end().to_owned()
}

/// An apply that is still open. Ours or not: two at once would undo each other.
fn pending(host: &HostName, observed: &Observed) -> Option<Finding> {
    let pending = observed.pending.as_ref()?;
    let ends = match pending.left_seconds {
        Some(left) if pending.phase == "activated" => {
            format!(", and rolls back by itself in {left} s unless it is confirmed")
        }
        _ => String::new(),
    };
    let message = format!(
        "{} is still open, in phase `{}`{ends}",
        pending.named(),
        pending.phase
    );
    Some(if pending.phase == "rollback-failed" {
        Finding::refuse(
            "lock",
            message,
            format!(
                "its rollback failed: `deployctl status` says what is left. Mend that, then run `sh /var/lib/deployctl/host.sh rollback` there as root; or take the host as it is: `deployctl rollback {host} --abandon`"
            ),
        )
    } else if pending.overdue {
        Finding::warn(
            "lock",
            format!("{message}, and its time is over"),
            Some(
                "an apply rolls it back first, so what is below is not what is there then"
                    .to_owned(),
            ),
        )
    } else {
        Finding::refuse(
            "lock",
            message,
            "what is below is not what is there once that ends: wait for it (`deployctl status`), or `deployctl apply --steal` rolls it back first",
        )
        .unless(Override::Steal)
    })
}

/// Queries without an answer whose answer is needed. Without root or systemd that is said already.
fn unanswered(rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let manifest = observed.manifest.as_ref();
    let needed = |id: &str| match id {
        "packages" => {
            !rendered.packages.is_empty() || manifest.is_some_and(|m| !m.packages.is_empty())
        }
        "units" => {
            observed.systemd
                && (!rendered.units.is_empty() || manifest.is_some_and(|m| !m.units.is_empty()))
        }
        "failed" => observed.systemd,
        "sysctls" => !rendered.sysctls.is_empty(),
        "modules" => !rendered.modules.is_empty(),
        // The guard, and the change of a system, say themselves what they miss; apt does when it is called.
        "apt" | "clock" | "complaints" | "closures" | "inhibitors" => false,
        _ => true,
    };
    observed
        .unanswered
        .iter()
        .filter(|(id, _)| needed(id))
        .map(|(id, why)| {
            let hint = match id.as_str() {
                "generation" => "the records in `/var/lib/deployctl` are damaged: `deployctl status` says how to go on",
                _ => "nothing is planned on a guess: try again, or look at the host",
            };
            Finding::refuse(
                "observe",
                format!("the host did not answer `{id}`: {why}"),
                hint,
            )
        })
        .collect()
}
