//! Mappings of huge pages, and memory that stays in RAM.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr::NonNull;

/// `statfs.f_type` of a hugetlbfs: include/uapi/linux/magic.h.
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
/// Memory that this process and no other has a name for.
const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Memory of ours alone, unmapped at the end.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// A new file below `mount` that no other process sees: it has no name.
    ///
    /// # Errors
    /// The kernel's; `EPERM` where `mount` is no hugetlbfs.
    pub(crate) fn file_below(mount: &Path) -> io::Result<File> {
        let path = mount.join(format!(".hostprobe-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        if is_hugetlbfs(&file)? {
            Ok(file)
        } else {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
    }

    /// `count` huge pages of `size` bytes each, a power of two: of `file` on a hugetlbfs, or by mmap(2) with
    /// `MAP_HUGETLB`. With `reserve` the kernel promises all of them here or fails; without it each may be
    /// missing when it is touched, which ends the process by `SIGBUS`.
    pub(crate) fn huge(
        count: usize,
        size: usize,
        file: Option<&File>,
        reserve: bool,
    ) -> io::Result<Self> {
        let flags = if reserve { 0 } else { libc::MAP_NORESERVE };
        if let Some(file) = file {
            return Self::map(count, size, libc::MAP_SHARED | flags, file.as_raw_fd());
        }
        let log2 = size.trailing_zeros().cast_signed();
        let flags = flags | libc::MAP_HUGETLB | (log2 << libc::MAP_HUGE_SHIFT);
        Self::map(count, size, ANONYMOUS | flags, -1)
    }

    /// `bytes` of ordinary memory.
    pub(crate) fn ordinary(bytes: usize) -> io::Result<Self> {
        Self::map(1, bytes, ANONYMOUS, -1)
    }

    /// `flags` never hold `MAP_FIXED`.
    fn map(count: usize, size: usize, flags: i32, fd: i32) -> io::Result<Self> {
        let bytes = count
            .checked_mul(size)
            .filter(|bytes| *bytes > 0)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    /// Writes one byte at `offset` and reads it again, which maps the page.
    ///
    /// # Panics
    /// When `offset` is outside of the mapping.
    pub(crate) fn touch(&mut self, offset: usize) -> bool {
        assert!(offset < self.bytes, "outside of the mapping");
        // SAFETY: within the mapping, as asserted.
        let byte = unsafe { self.start.add(offset) };
        // SAFETY: readable and writable memory that this mapping owns; volatile, so that the write happens.
        unsafe { byte.write_volatile(0xa5) };
        // SAFETY: as above.
        (unsafe { byte.read_volatile() }) == 0xa5
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing points into it now.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Whether `file` is on a hugetlbfs: fstatfs(2).
fn is_hugetlbfs(file: &File) -> io::Result<bool> {
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open, and `found` has room for what the call writes.
    if unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has written all of it.
    let found = unsafe { found.assume_init() };
    Ok(u64::try_from(found.f_type) == Ok(HUGETLBFS_MAGIC))
}

/// Keeps all memory of this process, now and later, in RAM: mlockall(2).
pub(crate) fn lock_all() -> io::Result<()> {
    // SAFETY: the call takes flags alone.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes that back.
pub(crate) fn unlock_all() {
    // SAFETY: the call takes nothing.
    unsafe { libc::munlockall() };
}
