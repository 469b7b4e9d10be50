//! What people write in other forms than we take: how to write it instead. And addresses, which no pattern
//! tells from what only looks like one.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::path::{FactPath, Segment};

/// How to write `text`, which the schema refuses at `path`.
pub(super) fn hint(path: &FactPath, text: &str) -> Option<String> {
    let keys: Vec<&str> = path
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["hosts", _, "connection", "address"] => address_hint(text),
        ["hosts", _, "connection", "user"] => login_hint(text),
        [.., "keys" | "host_keys"] => key_hint(text),
        _ => None,
    }
}

/// A way to a host, taken apart into the facts that it belongs to.
fn address_hint(text: &str) -> Option<String> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (user, place) = bare
        .rsplit_once('@')
        .map_or((None, bare), |(user, place)| (Some(user), place));
    let place = place.trim_end_matches('/');
    let (address, port) = host_and_port(place);
    if !address.is_ascii() {
        return Some(format!(
            "write the name as DNS has it, `xn--…`: `idn2 {address}` prints it"
        ));
    }
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:%-\\".contains(&b))
    };
    if address == text || !plain(address) {
        return None;
    }
    let mut facts = vec![format!("`connection.address = \"{address}\"`")];
    if let Some(port) = port {
        facts.push(format!("`connection.port = {port}`"));
    }
    if let Some(user) = user.filter(|user| plain(user)) {
        facts.push(format!("`connection.user = \"{user}\"`"));
    }
    Some(format!("write {}", facts.join(" and ")))
}

/// `[v6]:22`, `[v6]`, `name:22`, `name`.
fn host_and_port(place: &str) -> (&str, Option<u16>) {
    if let Some((inner, rest)) = place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return (
            inner,
            rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (place, None),
        },
        _ => (place, None),
    }
}

/// deployctl cannot create accounts of a directory service.
fn login_hint(text: &str) -> Option<String> {
    let login = crate::name::LoginName::new(text).ok()?;
    Some(format!(
        "the inventory names an operator, whom deployctl makes on the host; to log in as `{login}`, an account that is there already (of SSSD or Active Directory, say), pass `--user '{login}'`"
    ))
}

/// A key that is one, with a comment that is not.
fn key_hint(text: &str) -> Option<String> {
    let mut words = text.splitn(3, ' ');
    let (kind, blob, comment) = (words.next()?, words.next()?, words.next()?);
    let kinds = ["ssh-ed25519", "ssh-rsa"];
    let known = kinds.contains(&kind) || kind.starts_with("ecdsa-") || kind.starts_with("sk-");
    let whole = blob.starts_with("AAAA") && blob.len() > 60;
    (known && whole && !comment.is_empty()).then(|| {
        "it may be the comment after the key: letters, digits, `@._+-` and single blanks may stand in it, 100 at most".to_owned()
    })
}

/// Why `text`, which the schema takes, is no address, and how to write it.
pub(super) fn misread(text: &str) -> Option<(String, Option<String>)> {
    let (place, zone) = text
        .split_once('%')
        .map_or((text, None), |(place, zone)| (place, Some(zone)));
    if place.parse::<Ipv6Addr>().is_ok() || (zone.is_none() && place.parse::<Ipv4Addr>().is_ok()) {
        return None;
    }
    let is = |what: &str| format!("is `{text}`, {what}");
    if zone.is_some() {
        return Some((
            is("and only an IPv6 address has a zone"),
            Some("such as `fe80::1%eth0`".to_owned()),
        ));
    }
    if place.contains(':') {
        let (address, port) = host_and_port(place);
        return Some(match port {
            Some(_) => (is("an address with a port"), address_hint(text)),
            None => (
                is(&format!("no IPv6 address, and no name: `{address}`")),
                None,
            ),
        });
    }
    // What ends in a number, programs read as an IPv4 address, each in its own way: octal, hexadecimal,
    // with parts left out.
    let last = place
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if number {
        return Some((
            is("no IPv4 address"),
            Some("four numbers from 0 to 255, in decimal, without leading zeros".to_owned()),
        ));
    }
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && !label.starts_with('-');
    let name = place.strip_suffix('.').unwrap_or(place);
    (!name.split('.').all(label)).then(|| (is("no DNS name"), None))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn an_address_is_one_or_is_told_how_to_be_written() {
        for good in [
            "10.9.1.2",
            "fd11::2",
            "::ffff:10.9.1.2",
            "fe80::1%eth0",
            "gpu_node",
            "x.example.com",
            "x.example.com.",
            "lab-7",
            "7seas",
            "a.b1",
        ] {
            assert_eq!(misread(good), None, "{good}");
        }
        let mut shown = String::new();
        for bad in [
            "10.9.1.2:22",
            "x.example.com:2222",
            "10.9.1.256",
            "10.9.11",
            "0x0a630b02",
            "10.9.11.02",
            "10.9.2818",
            "fe80::zz",
            "10.9.1.2%eth0",
            "a..b",
            "a.-b",
            "fd11::2:99999",
        ] {
            let (problem, hint) = misread(bad).expect(bad);
            let _ = writeln!(shown, "{problem} / {}", hint.unwrap_or_default());
        }
        let path = FactPath::default().keys("hosts.h1.connection.address");
        for other in [
            "[2001:db8::1]",
            "[2001:db8::1]:2222",
            "operator@10.9.1.2",
            "ssh://op@10.9.1.2:2222/",
            "büro.example",
            "op@[fe80::1%eth0]:22",
            "a b",
            "-oProxyCommand=x",
        ] {
            let hint = hint(&path, other).unwrap_or_default();
            let _ = writeln!(shown, "{other} / {hint}");
        }
        let user = FactPath::default().keys("hosts.h1.connection.user");
        for other in ["first.last", "DOMAIN\\ann", "ann@corp", "Operator", "a b"] {
            let hint = hint(&user, other).unwrap_or_default();
            let _ = writeln!(shown, "{other} / {hint}");
        }
        insta::assert_snapshot!(shown);
    }
}
