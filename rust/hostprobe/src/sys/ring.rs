//! An `io_uring` with registered buffers that talks over one socket.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use io_uring::{IoUring, opcode, types};

/// Bytes of each registered buffer.
pub(crate) const BUFFER: usize = 4096;

/// A ring, one buffer to send from and one to receive into, and the socket.
pub(crate) struct Ring {
    // Dropped before what it has registered.
    uring: IoUring,
    buffers: Box<[[u8; BUFFER]; 2]>,
    socket: TcpStream,
}

/// Which step of setting up failed.
#[derive(Debug)]
pub(crate) enum SetUp {
    Ring(io::Error),
    Buffers(io::Error),
}

impl Ring {
    /// A ring of `entries`, with both buffers registered: `io_uring_register(2)`.
    pub(crate) fn new(entries: u32, socket: TcpStream) -> Result<Self, SetUp> {
        let uring = IoUring::new(entries).map_err(SetUp::Ring)?;
        let mut buffers = Box::new([[0; BUFFER]; 2]);
        let vectors: Vec<libc::iovec> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: BUFFER,
            })
            .collect();
        // SAFETY: the buffers are boxed and live as long as the ring, which is dropped first.
        unsafe { uring.submitter().register_buffers(&vectors) }.map_err(SetUp::Buffers)?;
        Ok(Self {
            uring,
            buffers,
            socket,
        })
    }

    /// Sends `message`, at most [`BUFFER`] bytes, through the ring.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.buffers[0][..message.len()].copy_from_slice(message);
        let mut sent = 0;
        while sent < message.len() {
            // SAFETY: within the buffer, as `sent` is below the message's length.
            let start = unsafe { self.buffers[0].as_ptr().add(sent) };
            let left = u32::try_from(message.len() - sent).unwrap_or(u32::MAX);
            let entry =
                opcode::WriteFixed::new(types::Fd(self.socket.as_raw_fd()), start, left, 0).build();
            sent += self.submit(&entry)?;
        }
        Ok(())
    }

    /// Receives `length` bytes, at most [`BUFFER`].
    pub(crate) fn receive(&mut self, length: usize) -> io::Result<&[u8]> {
        let mut received = 0;
        while received < length {
            // SAFETY: within the buffer: `length` is at most its size, checked by the slice below.
            let start = unsafe { self.buffers[1][..length].as_mut_ptr().add(received) };
            let left = u32::try_from(length - received).unwrap_or(u32::MAX);
            let entry =
                opcode::ReadFixed::new(types::Fd(self.socket.as_raw_fd()), start, left, 1).build();
            received += self.submit(&entry)?;
        }
        Ok(&self.buffers[1][..length])
    }

    /// Submits one entry and waits for its end; nothing else is ever in flight.
    fn submit(&mut self, entry: &io_uring::squeue::Entry) -> io::Result<usize> {
        // SAFETY: buffer and socket live until the entry is completed, which is waited for below.
        let pushed = unsafe { self.uring.submission().push(entry) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
        let result = loop {
            match self.uring.submit_and_wait(1) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            if let Some(completed) = self.uring.completion().next() {
                break completed.result();
            }
        };
        match usize::try_from(result) {
            Err(_) => Err(io::Error::from_raw_os_error(-result)),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => Ok(bytes),
        }
    }
}
