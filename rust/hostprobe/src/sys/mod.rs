//! The only floor with `unsafe`: system calls that the standard library does not offer. Every function
//! here is safe to call, and gives the kernel's own error.
#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper in the standard library"
)]

pub(crate) mod clock;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod ring;
