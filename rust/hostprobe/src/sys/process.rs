//! Who runs this, and how it ends.

/// Effective user id.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Keeps this process from leaving a core dump: prctl(2), `PR_SET_DUMPABLE`. A limit of zero would not do
/// where the kernel hands dumps to a program.
pub(crate) fn never_dump() {
    let no: libc::c_ulong = 0;
    // SAFETY: the call takes numbers alone. It cannot fail with this value.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, no) };
}
