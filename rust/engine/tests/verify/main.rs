//! Verification of hosts that a real shell plays, with a clock that only moves when the engine waits.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::disallowed_methods,
    reason = "a round of questions is answered by the real shell"
)]

#[cfg(test)]
mod ask;
#[cfg(test)]
mod host;
#[cfg(test)]
mod link;
#[cfg(test)]
mod shipment;
#[cfg(test)]
mod world;
