//! One file per thing that is tried; none holds `unsafe`.

pub(crate) mod fifo;
pub(crate) mod hugepages;
pub(crate) mod inference;
pub(crate) mod io_uring;
pub(crate) mod jitter;
pub(crate) mod memlock;

use crate::args::{Args, Name};
use crate::report::Item;

pub(crate) fn probe(name: Name, args: &Args) -> Item {
    match name {
        Name::IoUring => io_uring::probe(args),
        Name::Hugepages => hugepages::probe(args),
        Name::Memlock => memlock::probe(args),
        Name::Fifo => fifo::probe(args),
        Name::Jitter => jitter::probe(args),
        Name::Inference => inference::probe(args),
    }
}
