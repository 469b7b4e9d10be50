//! What a Linux program needs from the machine that runs it, read from its ELF file.

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::read::{Error, FileKind};

/// Longest name of an interpreter that is kept, in characters.
const NAME_CAP: usize = 256;

/// A program's needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Instruction set as the kernel names it: `x86_64`, `aarch64`, else `machine N` by its number in ELF.
    pub machine: String,
    /// The dynamic loader; empty where it is static.
    pub interpreter: String,
    /// The newest version of glibc that a symbol of its is from, such as `2.34`; empty where it wants none.
    pub glibc: String,
}

/// Why a file is rejected: it is not a Linux program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotElf {
    /// The file of another system.
    #[error("it is {0}")]
    Foreign(&'static str),
    /// Nothing known.
    #[error("it begins like no program")]
    Unknown,
    /// ELF that contradicts itself, or was cut off.
    #[error("its ELF cannot be read: {0}")]
    Broken(String),
    /// ELF that is no program: an object file, a core.
    #[error("it is ELF, and neither a program nor a shared object")]
    NoProgram,
    /// A program that was stripped of what tells its versions.
    #[error("it has no section headers, so what it needs of glibc cannot be told")]
    NoSections,
}

/// Reads a program.
pub fn read(bytes: &[u8]) -> Result<Program, NotElf> {
    if bytes.starts_with(b"#!") {
        return Err(NotElf::Foreign("a script"));
    }
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf32) => needs::<FileHeader32<Endianness>>(bytes),
        Ok(FileKind::Elf64) => needs::<FileHeader64<Endianness>>(bytes),
        _ => Err(match bytes.get(..4) {
            Some([0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe | 0xbf]) => {
                NotElf::Foreign("a program for macOS")
            }
            Some([b'M', b'Z', _, _]) => NotElf::Foreign("a program for Windows"),
            _ => NotElf::Unknown,
        }),
    }
}

fn needs<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Program, NotElf> {
    let broken = |error: Error| NotElf::Broken(error.to_string());
    let header = Elf::parse(bytes).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    if ![elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type(endian)) {
        return Err(NotElf::NoProgram);
    }
    let mut interpreter = String::new();
    for segment in header.program_headers(endian, bytes).map_err(broken)? {
        if let Some(name) = segment.interpreter(endian, bytes).map_err(broken)? {
            let name = String::from_utf8_lossy(name);
            interpreter = name.chars().take(NAME_CAP).collect();
        }
    }
    let sections = header.sections(endian, bytes).map_err(broken)?;
    if sections.is_empty() && !interpreter.is_empty() {
        return Err(NotElf::NoSections);
    }
    let mut newest = Vec::new();
    if let Some((mut files, link)) = sections.gnu_verneed(endian, bytes).map_err(broken)? {
        let names = sections.strings(endian, bytes, link).map_err(broken)?;
        while let Some((_, mut wanted)) = files.next().map_err(broken)? {
            while let Some(version) = wanted.next().map_err(broken)? {
                let name = version.name(endian, names).map_err(broken)?;
                newest = newest.max(glibc(name));
            }
        }
    }
    let numbers: Vec<String> = newest.iter().map(ToString::to_string).collect();
    Ok(Program {
        machine: match header.e_machine(endian) {
            elf::EM_X86_64 => "x86_64".to_owned(),
            elf::EM_AARCH64 => "aarch64".to_owned(),
            other => format!("machine {other}"),
        },
        interpreter,
        glibc: numbers.join("."),
    })
}

/// `GLIBC_2.34` as numbers; none for what is no version of glibc's.
fn glibc(name: &[u8]) -> Vec<u32> {
    // Not a release, but what a loader from 2.36 on has: it packs relocations.
    if name == b"GLIBC_ABI_DT_RELR" {
        return vec![2, 36];
    }
    let name = std::str::from_utf8(name).unwrap_or_default();
    let version = name.strip_prefix("GLIBC_").unwrap_or_default();
    let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    numbers.unwrap_or_default()
}
