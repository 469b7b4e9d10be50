//! A ring with registered buffers echoes over loopback TCP.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::distribution::{Distribution, Measured, SAMPLES};
use crate::limits;
use crate::report::{Item, Trouble};
use crate::sys::process;
use crate::sys::ring::{Ring, SetUp};

const ITEM: &str = "io-uring";
/// Bytes of one echo: about a FIX message.
const MESSAGE: usize = 256;

pub(crate) fn probe(args: &Args) -> Item {
    match echo(args.echoes) {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(times) => passed(args.echoes, &times),
    }
}

fn passed(echoes: u32, times: &[Duration]) -> Item {
    let item = Item::pass(
        ITEM,
        format!("{echoes} echoes over loopback TCP through registered buffers"),
    );
    let Some(all) = Distribution::new(times.to_vec()) else {
        return Item::fail(ITEM, Trouble::new("nothing was echoed"));
    };
    item.measured(Measured::of("echo through the ring", times, SAMPLES))
        .value("echo_p50_us", all.micros(50))
        .value("echo_p99_us", all.micros(99))
        .value("echo_max_us", all.micros(100))
}

fn echo(echoes: u32) -> Result<Vec<Duration>, Trouble> {
    let sockets = connected().map_err(|error| Trouble::new(format!("no loopback TCP: {error}")))?;
    let (near, far) = sockets;
    let mut ring = Ring::new(8, near).map_err(|error| explain(&error))?;
    let echoing = std::thread::spawn(move || answer(far));
    let mut times = Vec::with_capacity(echoes as usize);
    let mut talk = || -> io::Result<()> {
        for number in 0..echoes {
            let message = [number.to_le_bytes()[0]; MESSAGE];
            let start = Instant::now();
            ring.send(&message)?;
            if ring.receive(MESSAGE)? != message {
                return Err(io::Error::other("the echo differs from what was sent"));
            }
            times.push(start.elapsed());
        }
        Ok(())
    };
    let talked = talk();
    drop(ring);
    let answered = echoing.join();
    talked.map_err(|error| Trouble::new(format!("an echo through the ring failed: {error}")))?;
    match answered {
        Ok(Ok(())) => {}
        _ => return Err(Trouble::new("the echoing end failed")),
    }
    Ok(times)
}

fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
    }
    far.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok((near, far))
}

fn answer(mut far: TcpStream) -> io::Result<()> {
    let mut buffer = [0; MESSAGE];
    loop {
        match far.read(&mut buffer)? {
            0 => return Ok(()),
            bytes => far.write_all(&buffer[..bytes])?,
        }
    }
}

fn explain(error: &SetUp) -> Trouble {
    match error {
        SetUp::Ring(error) => {
            let trouble = Trouble::new(format!("no ring: {error}"));
            match error.raw_os_error() {
                Some(libc::EPERM) => trouble.hint(not_permitted(
                    limits::word("/proc/sys/kernel/io_uring_disabled").as_deref(),
                    limits::word("/proc/sys/kernel/io_uring_group").as_deref(),
                )),
                Some(libc::ENOSYS) => trouble
                    .hint("the kernel is built without IO_URING, or a seccomp filter hides it"),
                Some(libc::ENOMEM) => trouble.hint(memory()),
                _ => trouble,
            }
        }
        SetUp::Buffers(error) => {
            let trouble = Trouble::new(format!("no registered buffers: {error}"));
            match error.raw_os_error() {
                Some(libc::ENOMEM) => trouble.hint(memory()),
                _ => trouble,
            }
        }
    }
}

fn memory() -> String {
    let limit = limits::soft_limit("Max locked memory").map_or("unlimited".to_owned(), |bytes| {
        format!("{} KiB", bytes / 1024)
    });
    format!("registered buffers count against RLIMIT_MEMLOCK, which is {limit} here")
}

/// Documentation/admin-guide/sysctl/kernel.rst, `io_uring_disabled`.
fn not_permitted(disabled: Option<&str>, group: Option<&str>) -> String {
    match (disabled, group) {
        (Some("2"), _) => {
            "EPERM: `kernel.io_uring_disabled` is 2, which is off for everybody".to_owned()
        }
        (Some("1"), group) => format!(
            "EPERM: `kernel.io_uring_disabled` is 1: only members of group {} may (`kernel.io_uring_group`), and user {} is none",
            group.unwrap_or("-1"),
            process::effective_user()
        ),
        _ => {
            "EPERM: a seccomp filter forbids io_uring (container runtimes do by default)".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_explained() {
        let user = process::effective_user().to_string();
        let told: Vec<String> = [
            (Some("2"), None),
            (Some("1"), Some("990")),
            (Some("0"), None),
        ]
        .into_iter()
        .map(|(disabled, group)| {
            not_permitted(disabled, group).replace(&format!("user {user}"), "user U")
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        EPERM: `kernel.io_uring_disabled` is 2, which is off for everybody
        EPERM: `kernel.io_uring_disabled` is 1: only members of group 990 may (`kernel.io_uring_group`), and user U is none
        EPERM: a seccomp filter forbids io_uring (container runtimes do by default)
        ");
    }
}
