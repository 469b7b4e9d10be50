//! Which local addresses something listens on by TCP, as `ss` and `netstat` print them.

use std::collections::BTreeSet;

use crate::answer::{Answer, Found, Unreadable, number};

/// The local addresses in lines of `ss -H -ltn`: `LISTEN 0 128 0.0.0.0:22 0.0.0.0:*`.
pub(crate) fn ss<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, Unreadable> {
    lines
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["LISTEN", _, _, local, ..] => Ok(local),
                _ => Err(Unreadable(format!("`{line}` is no line of ss"))),
            },
        )
        .collect()
}

/// The local addresses in macOS' `netstat -an -p tcp`: `tcp4  0  0  *.22  *.*  LISTEN`.
pub(crate) fn netstat<'a>(answer: &Answer<'a>) -> Result<Vec<&'a str>, Unreadable> {
    let mut lines = answer.lines()?.peekable();
    if !lines
        .peek()
        .is_some_and(|line| line.starts_with("Active Internet connections"))
    {
        return Err(Unreadable::new(
            "no table of connections as netstat prints it",
        ));
    }
    lines
        .filter(|line| line.ends_with("LISTEN"))
        .map(|line| {
            let local = line.split_whitespace().nth(3);
            local.ok_or_else(|| Unreadable(format!("`{line}` is no line of netstat")))
        })
        .collect()
}

/// Whether something listens on every one of the `wanted` ports, at any address. The port follows the last
/// `separator` of an address.
pub(crate) fn on_ports(
    locals: &[&str],
    separator: char,
    wanted: &BTreeSet<u16>,
) -> Result<Found, Unreadable> {
    let ports: BTreeSet<u16> = locals
        .iter()
        .map(|local| match local.rsplit_once(separator) {
            Some((_, port)) => number("port", port),
            None => Err(Unreadable(format!("`{local}` has no port"))),
        })
        .collect::<Result<_, _>>()?;
    let shown: Vec<String> = ports.iter().map(u16::to_string).collect();
    Ok(Found::when(
        wanted.is_subset(&ports),
        format!("TCP ports {}", shown.join(", ")),
    ))
}
