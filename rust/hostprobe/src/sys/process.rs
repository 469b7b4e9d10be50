//! The process and the calling thread: who runs it, how it ends, its scheduling policy and CPUs.

use std::io;

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

const SELF: libc::pid_t = 0;

/// Sets `SCHED_FIFO` with `priority`, 1 to 99: `sched_setscheduler(2)`.
pub(crate) fn set_fifo(priority: i32) -> io::Result<()> {
    set(libc::SCHED_FIFO, priority)
}

/// Back to the ordinary policy.
pub(crate) fn set_other() -> io::Result<()> {
    set(libc::SCHED_OTHER, 0)
}

fn set(policy: i32, priority: i32) -> io::Result<()> {
    // A C library may refuse the call for threads; the kernel's own does not.
    let parameter = Parameter { priority };
    // SAFETY: `parameter` has the layout that the kernel reads, one int.
    let status = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            SELF,
            policy,
            &raw const parameter,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `struct sched_param` as the kernel defines it; musl's is longer.
#[repr(C)]
struct Parameter {
    priority: i32,
}

/// Whether `SCHED_FIFO` is the policy, as the kernel says.
pub(crate) fn is_fifo() -> bool {
    // SAFETY: the call takes numbers alone.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, SELF) };
    policy == i64::from(libc::SCHED_FIFO)
}

/// Lets the thread run on `cpus` alone: `sched_setaffinity(2)`. CPUs above 1023 are left out.
pub(crate) fn set_cpus(cpus: &[u32]) -> io::Result<()> {
    let mut set = empty();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < 1024) {
        // SAFETY: below the set's 1024 bits.
        unsafe { libc::CPU_SET(cpu as usize, &mut set) };
    }
    // SAFETY: `set` is a whole cpu_set_t.
    match unsafe { libc::sched_setaffinity(SELF, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The CPUs that the thread may run on.
pub(crate) fn allowed_cpus() -> io::Result<Vec<u32>> {
    let mut set = empty();
    // SAFETY: `set` is a whole cpu_set_t that the call may write.
    if unsafe { libc::sched_getaffinity(SELF, size_of_val(&set), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((0..1024)
        // SAFETY: below the set's 1024 bits.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu as usize, &set) })
        .collect())
}

/// The CPU that runs this.
pub(crate) fn current_cpu() -> Option<u32> {
    // SAFETY: the call takes nothing.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is an array of integers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}
