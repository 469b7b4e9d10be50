//! Where a server listens: at a Unix socket, or by TCP.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::report::Trouble;
use crate::sys::process;

/// One of both.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Socket(PathBuf),
    Address(SocketAddr),
}

/// A connection to either.
pub(super) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) => Self::Socket(text.into()),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Place {
    /// A connection on which no read and no write takes longer than `timeout`.
    pub(super) fn connect(&self, timeout: Duration) -> Result<Box<dyn Connection>, Trouble> {
        self.connected(timeout).map_err(|error| {
            let trouble = Trouble::new(format!("cannot be connected to: {error}"));
            match self.hint(error.kind()) {
                Some(hint) => trouble.hint(hint),
                None => trouble,
            }
        })
    }

    fn connected(&self, timeout: Duration) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Box::new(stream)
            }
            Self::Address(address) => {
                let stream = TcpStream::connect_timeout(address, timeout)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Box::new(stream)
            }
        })
    }

    fn hint(&self, kind: io::ErrorKind) -> Option<String> {
        Some(match (self, kind) {
            (Self::Socket(_), io::ErrorKind::NotFound)
            | (Self::Address(_), io::ErrorKind::ConnectionRefused) => {
                "the server does not run, or listens elsewhere".to_owned()
            }
            (Self::Socket(_), io::ErrorKind::ConnectionRefused) => {
                "the socket is stale: whoever made it has ended".to_owned()
            }
            (Self::Socket(_), io::ErrorKind::PermissionDenied) => format!(
                "user {} is not in the socket's group; membership counts from the next login",
                process::effective_user()
            ),
            _ => return None,
        })
    }
}
