//! Public keys of `OpenPGP`, as apt reads them: ASCII armour around packets (RFC 4880).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Tags of packets.
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;
/// What stands beside keys: signatures, a marker, trust, names, subkeys, pictures.
const BESIDE_KEYS: [u8; 6] = [2, 10, 12, 13, 14, 17];

/// The fingerprints of all primary keys in `text`, each 40 upper-case hexadecimal digits, in their order.
///
/// # Errors
/// Why the text is no key that every apt can read, as the rest of a sentence: `is cut off: …`.
pub fn fingerprints(text: &str) -> Result<Vec<String>, String> {
    let bytes = dearmoured(text)?;
    let mut fingerprints: Vec<String> = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest).ok_or("is damaged: a packet in it is cut off")?;
        rest = after;
        match tag {
            SECRET_KEY | SECRET_SUBKEY => return Err("holds a secret key".to_owned()),
            PUBLIC_KEY => {
                let fingerprint = fingerprint(body)?;
                if !fingerprints.contains(&fingerprint) {
                    fingerprints.push(fingerprint);
                }
            }
            _ if fingerprints.is_empty() => {
                return Err("begins with something else than a key".to_owned());
            }
            // Such as a compressed one, in which programs may find keys that were not looked at here.
            _ if !BESIDE_KEYS.contains(&tag) => {
                return Err(format!(
                    "holds a packet of kind {tag}, which is part of no key"
                ));
            }
            _ => {}
        }
    }
    Ok(fingerprints)
}

/// The bytes in the one block of `text`. Around it there may be blank lines alone: versions of apt differ in what they make of
/// others.
fn dearmoured(text: &str) -> Result<Vec<u8>, String> {
    // apt takes a line of blanks for a header, and finds no key.
    if let Some(line) = text.lines().find(|it| it.trim_end() != *it) {
        let line = line.trim_end();
        return Err(format!("has blanks at the end of the line `{line}`"));
    }
    let mut lines = text.lines().skip_while(|line| line.is_empty());
    match lines.next() {
        Some(BEGIN) => {}
        Some(line) if line.starts_with("-----BEGIN PGP ") && line != BEGIN => {
            let what = line.trim_matches('-').trim_start_matches("BEGIN ");
            return Err(format!("is a {what}, no public key"));
        }
        _ => return Err(format!("does not begin with `{BEGIN}`")),
    }
    // Headers such as `Version: …`, then a blank line, without which apt finds no key.
    let mut headers = lines.by_ref().take_while(|line| !line.is_empty());
    if !headers.all(|line| line.contains(": ")) {
        return Err("has no blank line after its first line".to_owned());
    }
    let mut body = String::new();
    let mut sum = None;
    loop {
        match lines.next() {
            Some(END) => break,
            Some(line) if line.starts_with('-') => return Err(format!("has a line `{line}`")),
            Some(line) if line.starts_with('=') => sum = Some(&line[1..]),
            Some(line) if sum.is_none() => body.push_str(line),
            Some(_) => return Err("goes on after its checksum".to_owned()),
            None => return Err(format!("is cut off: it does not end with `{END}`")),
        }
    }
    if lines.any(|line| !line.is_empty()) {
        return Err("goes on after its block: all keys belong into one".to_owned());
    }
    let bytes = STANDARD
        .decode(&body)
        .map_err(|_| "is damaged: it is no base64".to_owned())?;
    let right = sum.is_none_or(|sum| STANDARD.encode(&crc24(&bytes).to_be_bytes()[1..]) == sum);
    if bytes.is_empty() {
        Err("is empty".to_owned())
    } else if right {
        Ok(bytes)
    } else {
        Err("is damaged: its checksum does not fit".to_owned())
    }
}

/// The checksum of armour (RFC 4880, section 6.1).
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

/// The tag and the body of the first packet, and what follows it.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_usize, |number, byte| (number << 8) | usize::from(*byte))
    };
    let (tag, length, rest) = if first & 0x40 == 0 {
        // The old format: how many bytes the length has. Without a length a packet cannot be told from those after it.
        let (length, rest) =
            rest.split_at_checked([1, 2, 4].get(usize::from(first & 3)).copied()?)?;
        ((first >> 2) & 0x0f, number(length), rest)
    } else {
        let (start, rest) = rest.split_first()?;
        match start {
            0..=191 => (first & 0x3f, usize::from(*start), rest),
            192..=223 => {
                let (second, rest) = rest.split_first()?;
                let length = ((usize::from(*start) - 192) << 8) + usize::from(*second) + 192;
                (first & 0x3f, length, rest)
            }
            // Keys do not come in parts.
            224..=254 => return None,
            255 => {
                let (length, rest) = rest.split_at_checked(4)?;
                (first & 0x3f, number(length), rest)
            }
        }
    };
    let (body, after) = rest.split_at_checked(length)?;
    Some((tag, body, after))
}

/// The fingerprint of a key of version 4 (RFC 4880, section 12.2).
fn fingerprint(body: &[u8]) -> Result<String, String> {
    use std::fmt::Write as _;
    let length = u16::try_from(body.len()).map_err(|_| "is damaged: a key in it is too long")?;
    match body.first() {
        Some(4) => {}
        Some(version) => {
            return Err(format!(
                "holds a key of version {version}; apt reads version 4"
            ));
        }
        None => return Err("is damaged: a key in it is empty".to_owned()),
    }
    let mut hash = Sha1::new();
    hash.update([0x99]);
    hash.update(length.to_be_bytes());
    hash.update(body);
    let mut text = String::new();
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02X}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by gpg for these tests, with its fingerprint by gpg.
    const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawm2YxYJKwYBBAHaRw8BAQdAJhH8FE/QzUTzlK2bf403S9ODMpWdGbZHc3Oe
UhKYm160JUV4YW1wbGUgYXJjaGl2ZSA8YXJjaGl2ZUBleGFtcGxlLmNvbT6IkAQT
FggAOBYhBJDNHSsehF6I2hI8FnaoSTIf0VtEBQJrCbZjAhsDBQsJCAcCBhUKCQgL
AgQWAgMBAh4BAheAAAoJEHaoSTIf0VtEFi8BANUaonTMIDWqfSAWSgu+w0Wxic3F
denYZmBopLLal2flAPoD1fohqGUG1VPrn99jbnmLyXB+z386fDc6DU1ll1XQDQ==
=ohri
-----END PGP PUBLIC KEY BLOCK-----
";
    const FINGERPRINT: &str = "90CD1D2B1E845E88DA123C1676A849321FD15B44";

    /// This key and a second one, in one block.
    const BOTH: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawm2YxYJKwYBBAHaRw8BAQdAJhH8FE/QzUTzlK2bf403S9ODMpWdGbZHc3Oe
UhKYm160JUV4YW1wbGUgYXJjaGl2ZSA8YXJjaGl2ZUBleGFtcGxlLmNvbT6IkAQT
FggAOBYhBJDNHSsehF6I2hI8FnaoSTIf0VtEBQJrCbZjAhsDBQsJCAcCBhUKCQgL
AgQWAgMBAh4BAheAAAoJEHaoSTIf0VtEFi8BANUaonTMIDWqfSAWSgu+w0Wxic3F
denYZmBopLLal2flAPoD1fohqGUG1VPrn99jbnmLyXB+z386fDc6DU1ll1XQDZgz
BGsJtmMWCSsGAQQB2kcPAQEHQPjxLrrTkIRabV+xQ9MdFlNoDizQfBHFc5ZoAJQz
82fvtCNTZWNvbmQgYXJjaGl2ZSA8c2Vjb25kQGV4YW1wbGUuY29tPoiQBBMWCAA4
FiEEqMGnXOl3nXuVU7lmyKU/r/nt510FAmsJtmMCGwMFCwkIBwIGFQoJCAsCBBYC
AwECHgECF4AACgkQyKU/r/nt512hDwEA043v4uyWuTi4S2iRF7IcaSDokJ23b47D
2TDzmsz48igBAIUXPKV3LDl3G4aVV8CvWLJHveu1gwfouwbDezvdSs0C
=Xp8O
-----END PGP PUBLIC KEY BLOCK-----
";

    #[test]
    fn fingerprints_are_those_that_gpg_tells() {
        assert_eq!(fingerprints(KEY), Ok(vec![FINGERPRINT.to_owned()]));
        let second = "A8C1A75CE9779D7B9553B966C8A53FAFF9EDE75D".to_owned();
        assert_eq!(fingerprints(BOTH), Ok(vec![FINGERPRINT.to_owned(), second]));
        let headed = KEY.replace("BLOCK-----\n\nmD", "BLOCK-----\nVersion: GnuPG v2\n\nmD");
        assert_eq!(fingerprints(&format!("\n{headed}\n\n")), fingerprints(KEY));
        let without_sum = KEY.replace("=ohri\n", "");
        assert_eq!(fingerprints(&without_sum), fingerprints(KEY));
    }

    #[test]
    fn nothing_hides_behind_a_key() {
        let key = dearmoured(KEY).unwrap();
        let behind = |packet: &[u8]| {
            let all = [&key, packet].concat();
            fingerprints(&format!("{BEGIN}\n\n{}\n{END}\n", STANDARD.encode(all)))
        };
        assert_eq!(behind(&[]), fingerprints(KEY));
        let told = "holds a packet of kind 8, which is part of no key";
        assert_eq!(behind(&[0xc8, 1, 0]), Err(told.to_owned()));
        let secret = behind(&[0xc7, 1, 4]);
        assert_eq!(secret, Err("holds a secret key".to_owned()));
    }

    #[test]
    fn what_is_no_key_is_told() {
        let private = KEY.replace("PUBLIC", "PRIVATE");
        for (text, told) in [
            (
                String::new(),
                "does not begin with `-----BEGIN PGP PUBLIC KEY BLOCK-----`",
            ),
            (private, "is a PGP PRIVATE KEY BLOCK, no public key"),
            (
                KEY.replace("\n\n", "\n"),
                "has no blank line after its first line",
            ),
            (
                KEY.replace(&format!("{END}\n"), ""),
                "is cut off: it does not end with `-----END PGP PUBLIC KEY BLOCK-----`",
            ),
            (
                format!("{KEY}{KEY}"),
                "goes on after its block: all keys belong into one",
            ),
            (
                KEY.replace("=ohri", "=ohrj"),
                "is damaged: its checksum does not fit",
            ),
            (
                KEY.replace("mDME", "mDMF"),
                "is damaged: its checksum does not fit",
            ),
            (KEY.replace("mDME", "m!ME"), "is damaged: it is no base64"),
            (format!("{BEGIN}\n\n{END}\n"), "is empty"),
            // A packet of 51 bytes with nothing in it, a secret key, a user id alone, a key of version 6.
            (
                format!("{BEGIN}\n\nmDM=\n{END}\n"),
                "is damaged: a packet in it is cut off",
            ),
            (format!("{BEGIN}\n\nxQEE\n{END}\n"), "holds a secret key"),
            (
                format!("{BEGIN}\n\nzQFh\n{END}\n"),
                "begins with something else than a key",
            ),
            (
                format!("{BEGIN}\n\nxgEG\n{END}\n"),
                "holds a key of version 6; apt reads version 4",
            ),
            (
                format!("{BEGIN}\n\nxgA=\n{END}\n"),
                "is damaged: a key in it is empty",
            ),
        ] {
            assert_eq!(fingerprints(&text), Err(told.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..700_usize) {
            let text = format!("{BEGIN}\n\n{}\n{END}\n", STANDARD.encode(&bytes));
            drop(fingerprints(&text));
            let cut: String = BOTH.chars().take(cut).collect();
            prop_assert!(fingerprints(&cut).is_err());
        }
    }
}
