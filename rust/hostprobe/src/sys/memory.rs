//! Mappings of huge pages, and memory that stays in RAM.

use std::io;
use std::ptr::NonNull;

/// Anonymous memory of ours alone, unmapped at the end.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// `count` huge pages of `size` bytes each, a power of two: mmap(2) with `MAP_HUGETLB`. The kernel
    /// reserves them here; whether they can be had shows when they are touched.
    pub(crate) fn huge(count: usize, size: usize) -> io::Result<Self> {
        let log2 = size.trailing_zeros().cast_signed();
        let flags = libc::MAP_HUGETLB | (log2 << libc::MAP_HUGE_SHIFT);
        Self::map(count, size, flags)
    }

    /// `bytes` of ordinary memory.
    pub(crate) fn ordinary(bytes: usize) -> io::Result<Self> {
        Self::map(1, bytes, 0)
    }

    fn map(count: usize, size: usize, flags: i32) -> io::Result<Self> {
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
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    /// Writes one byte at `offset` and reads it again, which brings the page in.
    ///
    /// # Panics
    /// When `offset` lies outside.
    pub(crate) fn touch(&mut self, offset: usize) -> bool {
        assert!(offset < self.bytes, "outside of the mapping");
        // SAFETY: within the mapping, as asserted.
        let byte = unsafe { self.start.add(offset) };
        // SAFETY: readable and writable memory that nobody else has; volatile, so that it happens.
        unsafe { byte.write_volatile(0xa5) };
        // SAFETY: as above.
        (unsafe { byte.read_volatile() }) == 0xa5
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing points into it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
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
