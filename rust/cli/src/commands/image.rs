//! `deployctl image HOST`: what a host is installed from.

use std::path::{Path, PathBuf};

use deployctl_core::inventory::host::Host;
use deployctl_core::name::HostName;
use deployctl_engine::nix::deployer::DeployError;
use deployctl_engine::nix::{Image, copy_image, image_files};
use deployctl_engine::prepare::undeployed;
use deployctl_report::{Report, Verdict};

use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::{progress, show};

pub(super) async fn run(context: &Context, args: &args::Image) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let name = one_host(&inventory, &args.host)?;
    let host = inventory.host(&name).expect("selected from the inventory");
    installable(&name, host)?;
    let kind = if args.installer {
        Image::Installer
    } else {
        Image::Disk
    };
    let deployer = context.deployer().await?;
    let sink = progress::sink(context.ui, name.as_str().len(), context.global.verbose);
    let built = deployer.image(&name, host, kind, &sink).await;
    // The last lines of progress are written before the report.
    drop(sink);
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            let report = Report::new("image", vec![undeployed(name, &DeployError::System(error))]);
            if context.ui.json {
                Ui::print_json(&report);
            } else {
                context.ui.print(&show::report(&report));
            }
            return Ok(report.verdict(false));
        }
    };
    let files = files(Path::new(built.out.as_str()), args.out.as_deref())?;
    if context.ui.json {
        Ui::print_json(
            &serde_json::json!({ "version": 1, "host": name, "store_path": built.out, "files": files }),
        );
        return Ok(Verdict::Done);
    }
    for file in &files {
        context.ui.print(&format!("{}\n", file.display()));
        if let Some(how) = how(file) {
            context.ui.say(&format!("  {how}"));
        }
    }
    Ok(Verdict::Done)
}

fn installable(name: &HostName, host: &Host) -> Result<(), Failure> {
    if !host.platform.is_linux() {
        return Err(Failure::usage(format!(
            "`{name}` is a Mac: it is not installed from an image"
        ))
        .hint("docs/nix.md says how nix-darwin gets there first"));
    }
    if host.image.is_none() {
        return Err(
            Failure::usage(format!("`{name}` does not say what it is installed from"))
                .hint("declare `image` in its facts: `deployctl inventory --schema` says how"),
        );
    }
    Ok(())
}

/// The files of the built image, or their copies in the folder `out`.
fn files(store: &Path, out: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let files = image_files(store).map_err(|error| {
        let message = format!("cannot read `{}`", store.display());
        Failure::new(Verdict::Internal, message).cause(&error)
    })?;
    let Some(out) = out else {
        return Ok(files);
    };
    copy_image(&files, out).map_err(|error| {
        let message = format!("cannot copy the image to `{}`", out.display());
        Failure::new(Verdict::Internal, message).cause(&error)
    })
}

/// What one does with such a file.
fn how(file: &Path) -> Option<&'static str> {
    let name = file.file_name()?.to_str()?;
    let ends = |end: &str| name.ends_with(end);
    if ends(".iso") {
        Some(
            "write it to a USB stick (`dd if=FILE of=/dev/sdX bs=4M conv=fsync`) and boot from that",
        )
    } else if ends(".img.gz") || ends(".raw.gz") {
        Some(
            "upload it as a custom image to who runs the virtual machine, and boot from its disk (Linode: kernel `GRUB 2`)",
        )
    } else if ends(".img") || ends(".raw") {
        Some("write it to the machine's disk: `dd if=FILE of=/dev/sdX bs=4M conv=fsync`")
    } else if ends(".qcow2") {
        Some("boot it with QEMU, or convert it: `qemu-img convert`")
    } else {
        None
    }
}
