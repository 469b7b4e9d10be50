//! Files of others that the host's own programs do not take: the validation of an apply reads them as well, and would
//! refuse.

use super::{Finding, Plan, lockout, overruled};
use crate::observed::{Complaint, NETPLAN, Observed};
use crate::precedence::sshd::{Login, evaluate};
use crate::rendered::Rendered;

/// Refuses where this plan has such a file read; else warns.
pub(super) fn findings(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let netplan = plan
        .paths
        .iter()
        .any(|change| change.path.as_str().starts_with(NETPLAN));
    let sshd = lockout::touches_sshd(plan);
    let files = overruled::after(plan, rendered, observed);
    let read_by_sshd = evaluate(&files, &Login::default());
    let stays = |complaint: &&Complaint| {
        let file = complaint.place.file.as_str();
        let ours = rendered.entries.keys().any(|path| path.as_str() == file)
            || lockout::gone(plan).any(|path| path == file);
        let mended = match complaint.program.as_str() {
            "sshd" => !read_by_sshd.reads(file),
            // One of the files of this plan may define it.
            _ => netplan && complaint.says.ends_with("is not defined"),
        };
        !ours && !mended
    };
    let told = observed.complaints.iter().filter(stays);
    told.map(|complaint| {
        finding(
            complaint,
            if complaint.program == "sshd" {
                sshd
            } else {
                netplan
            },
        )
    })
    .collect()
}

fn finding(complaint: &Complaint, is_read: bool) -> Finding {
    let Complaint {
        program,
        place,
        says,
    } = complaint;
    let message = format!("`{program}` does not take `{place}`: {says}");
    let hint = format!(
        "correct or remove that line on the host: until then `{program}` takes no change of its files"
    );
    if is_read {
        Finding::refuse("foreign", message, hint)
    } else {
        Finding::warn("foreign", message, Some(hint))
    }
}
