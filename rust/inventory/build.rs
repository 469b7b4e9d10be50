//! Embeds the concerns of `modules/`, so that the program alone is enough for any cluster.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads files, and Cargo tells it by the environment where to write"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const MODULES: &str = "../../modules";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={MODULES}");
    let mut paths = Vec::new();
    for concern in fs::read_dir(MODULES)? {
        let concern = concern?.path();
        if concern.join("concern.toml").exists() {
            list(&concern, &mut paths)?;
        }
    }
    // The same bytes in whatever order the disk lists them.
    paths.sort();
    let mut code = String::from("&[\n");
    for path in paths {
        let below = path.strip_prefix(MODULES).map_err(io::Error::other)?;
        let below = below.to_str().ok_or(io::ErrorKind::InvalidData)?;
        // By the crate's own folder: clones that share a target folder share what this script wrote.
        let text = format!("/{MODULES}/{below}");
        let _ = writeln!(
            code,
            "    ({below:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {text:?}))),"
        );
    }
    code.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("modules.rs"), code)
}

/// Every file below `folder` that the engine would read of a repository, too: neither hidden nor a backup, and
/// nothing that only Nix or a test reads.
fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            if !["nixos", "darwin", "cases"].contains(&&*name) {
                list(&path, paths)?;
            }
        } else if !name.ends_with(".nix") {
            paths.push(path);
        }
    }
    Ok(())
}
