//! Pages and files that a report becomes.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

#[cfg(test)]
mod any;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod html;
#[cfg(test)]
mod junit;
