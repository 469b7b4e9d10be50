//! Random bytes for secrets.

use std::io::{self, Read as _};

/// Fills `bytes` with random bytes of the kernel.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

/// 128 random bits of the kernel.
pub fn bits128() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// The same as 32 hexadecimal digits.
pub fn word() -> io::Result<String> {
    let number = u128::from_be_bytes(bits128()?);
    Ok(format!("{number:032x}"))
}
