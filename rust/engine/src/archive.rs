//! A bundle as the tar that a host unpacks.

use std::io;

use deployctl_core::activation::Bundle;

/// The bundle's files in its order, owned by root, without time stamps: the same bundle gives the
/// same bytes.
pub fn pack(bundle: &Bundle) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folders = std::collections::BTreeSet::new();
    for file in &bundle.files {
        let folder = file.name.split_once('/').map(|(folder, _)| folder);
        if let Some(folder) = folder.filter(|folder| folders.insert(*folder)) {
            let mut header = header(0o700, 0);
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, format!("{folder}/"), io::empty())?;
        }
        let mut header = header(file.mode, file.bytes.len() as u64);
        archive.append_data(&mut header, &file.name, file.bytes.as_slice())?;
    }
    archive.into_inner()
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
