//! Embeds `modules/ubuntu`, so that the program alone is enough to render any cluster.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const MODULES: &str = "../../modules/ubuntu";

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script by the environment where to write"
)]
fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={MODULES}");
    let mut paths = Vec::new();
    list(Path::new(MODULES), &mut paths)?;
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

/// Every file below `folder` that `modules::read` would read, too: neither hidden nor a backup.
fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            list(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
