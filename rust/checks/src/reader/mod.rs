//! What programs print, read the same way for every check that asks them, and what several checks demand of it.
//!
//! One file per kind of answer. Each is a pure function from an answer to a value (a reader) or to what was found (a
//! judge), and knows no concern: what is expected and the hints come from whoever asks.

pub(super) mod hostprobe;
pub(super) mod http;
pub(super) mod interface;
pub(super) mod openai;
pub(super) mod prometheus;
pub(super) mod socket;
