//! Text that has the shape of a secret, where none may be: in facts, which reach the Nix store, and in rendered files,
//! which reach plans and logs.
//!
//! A shape is no proof, so what is found is a warning. It never holds the text itself.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::Value;

use crate::inventory::{FactPath, Inventory};
use crate::rendered::{Entry, Rendered};

/// Shapes, each with what it is the shape of. Prefixes are those that their services document.
const SHAPES: &[(&str, &str)] = &[
    (
        "a private key",
        "-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----",
    ),
    ("an identity of age", "AGE-SECRET-KEY-(1|PQ-1)[0-9A-Z]{20,}"),
    ("a token of Hugging Face", r"\bhf_[A-Za-z0-9]{30,}"),
    (
        "a token of GitHub",
        r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    ),
    ("a token of GitLab", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("an access key of AWS", r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a token of Slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a key of Tailscale", r"\btskey-[a-z]+-[A-Za-z0-9]{10,}"),
    (
        "a key of an API",
        r"\bsk-([a-z]{2,6}[0-9]{0,2}-)*[A-Za-z0-9_]{20,}",
    ),
    (
        "a JSON Web Token",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    (
        "a password in an address",
        r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@${}%<]{4,}@",
    ),
];

/// An assignment to a name that speaks of a secret; the last group is the value.
const ASSIGNED: &str = r#"(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|token|api[_-]?key|secret(?:[_-]?key)?)"?[ \t]*[=:][ \t]*["']?([A-Za-z0-9+/=_.!@#^&*~-]{8,})"#;

/// What to do about a value in the wrong place.
pub const EXPOSED_HINT: &str =
    "declare it as a secret (docs/secrets.md), and change it at its service if it is real";

/// What an assignment is said to be.
const VALUE: &str = "the value of a password, a token or a key";

// Bytes, not characters: shapes are ASCII, and classes of Unicode would cost each start of the program half a second.
static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    let all = SHAPES.iter().map(|(_, shape)| *shape);
    let mut patterns = RegexSetBuilder::new(all.chain([ASSIGNED]));
    let set = patterns.unicode(false).build();
    set.expect("the shapes are patterns")
});

static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    let assigned = RegexBuilder::new(ASSIGNED).unicode(false).build();
    assigned.expect("the shape is a pattern")
});

/// The kind of secret whose shape is in `line`; `None` where there is none.
fn shape(line: &str) -> Option<&'static str> {
    let fits = SET.matches(line.as_bytes());
    if let Some(first) = fits.iter().find(|index| *index < SHAPES.len()) {
        return Some(SHAPES[first].0);
    }
    let assigned = fits.matched(SHAPES.len())
        && ASSIGNMENT
            .captures_iter(line.as_bytes())
            .any(|found| is_random(&String::from_utf8_lossy(&found[1])));
    assigned.then_some(VALUE)
}

/// Whether a value looks made up: letters and digits mixed, and neither a path, an address, a version nor a digest.
fn is_random(value: &str) -> bool {
    let letters = value.chars().filter(char::is_ascii_alphabetic).count();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let names_a_place = value.starts_with(['/', '.', '~']) || value.matches('/').count() > 1;
    let is_digest = value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit());
    let is_hash = value.starts_with("sha256-") || value.starts_with("sha512-");
    let is_written = value.split(['-', '_', '.']).all(|word| {
        word.chars().all(|c| c.is_ascii_digit()) || word.chars().all(|c| c.is_ascii_alphabetic())
    });
    letters >= 2 && digits >= 2 && !names_a_place && !is_digest && !is_hash && !is_written
}

/// Where `text` has the shape of a secret: lines, from 1, and what it looks like.
fn in_text(text: &str) -> Vec<(usize, &'static str)> {
    if !SET.is_match(text.as_bytes()) {
        return Vec::new();
    }
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| Some((number, shape(line)?)))
        .collect()
}

/// A fact that has the shape of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedFact {
    /// The fact.
    pub path: FactPath,
    /// Its `file:line`, where known.
    pub place: Option<String>,
    /// What it looks like.
    pub looks_like: &'static str,
}

/// Facts that have the shape of a secret. Names of declared secrets are none.
pub fn exposed_facts(inventory: &Inventory) -> Vec<ExposedFact> {
    let mut found = Vec::new();
    for part in ["cluster", "hosts"] {
        let mut walk = Walk {
            inventory,
            found: &mut found,
        };
        walk.value(&FactPath::default().key(part), "", &inventory.value()[part]);
    }
    found
}

struct Walk<'a> {
    inventory: &'a Inventory,
    found: &'a mut Vec<ExposedFact>,
}

impl Walk<'_> {
    /// Looks at `value`, whose nearest name is `key`.
    fn value(&mut self, path: &FactPath, key: &str, value: &Value) {
        match value {
            Value::String(text) => self.text(path, key, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&path.clone().index(index), key, item);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.value(&path.clone().key(name), name, member);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, path: &FactPath, key: &str, text: &str) {
        let mut secrets = self.inventory.cluster().secrets.iter().flatten();
        if secrets.any(|(name, _)| name.as_str() == text) {
            return;
        }
        let in_value = in_text(text).first().map(|(_, what)| *what);
        if let Some(looks_like) = in_value.or_else(|| shape(&format!("{key}={text}"))) {
            self.found.push(ExposedFact {
                path: path.clone(),
                place: self.inventory.position(path).map(ToOwned::to_owned),
                looks_like,
            });
        }
    }
}

/// Lines of rendered files that have the shape of a secret: path, line from 1, and what it looks like.
pub fn exposed_lines(rendered: &Rendered) -> Vec<(&str, usize, &'static str)> {
    let files = rendered.entries.iter();
    files
        .filter_map(|(path, managed)| match &managed.entry {
            Entry::File { content, .. } => Some((path.as_str(), content)),
            Entry::Directory { .. } | Entry::Symlink { .. } | Entry::Absent => None,
        })
        .flat_map(|(path, content)| {
            let lines = in_text(content).into_iter();
            lines.map(move |(line, what)| (path, line, what))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens are put together here, so that no scanner of repositories takes this file for a leak.
    fn made_up(prefix: &str, length: usize) -> String {
        let rest = "aB3dE5gH7jK9mN1pQ2sT4vW6xY8z".chars().cycle().take(length);
        prefix.chars().chain(rest).collect()
    }

    #[test]
    fn what_looks_like_a_secret() {
        let jwt = format!(
            "{}.{}.{}",
            made_up("eyJ", 20),
            made_up("eyJ", 20),
            made_up("", 20)
        );
        let lines = [
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----".to_owned(),
            "-----BEGIN PGP PRIVATE KEY BLOCK-----".to_owned(),
            made_up("AGE-SECRET-KEY-1", 58).to_uppercase(),
            made_up("token: hf_", 34),
            made_up("ghp_", 36),
            made_up("github_pat_", 82),
            made_up("glpat-", 20),
            made_up("AKIA", 16).to_uppercase(),
            made_up("xoxb-", 24),
            made_up("tskey-auth-", 20),
            made_up("sk-", 48),
            made_up("Authorization: Bearer sk-proj-", 48),
            made_up("sk-ant-api03-", 40),
            jwt,
            "postgres://trader:hunter22@10.0.0.2/ticks".to_owned(),
            "password=s3cr3t-w0rd".to_owned(),
            "  password = \"Tr0ub4dor\"".to_owned(),
            "FIX_PASSWORD=qX71bbz9".to_owned(),
            made_up("api_key: ", 24),
        ];
        let told: Vec<&str> = lines
            .iter()
            .map(|line| shape(line).unwrap_or(line))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        a private key
        a private key
        a private key
        an identity of age
        a token of Hugging Face
        a token of GitHub
        a token of GitHub
        a token of GitLab
        an access key of AWS
        a token of Slack
        a key of Tailscale
        a key of an API
        a key of an API
        a key of an API
        a JSON Web Token
        a password in an address
        the value of a password, a token or a key
        the value of a password, a token or a key
        the value of a password, a token or a key
        the value of a password, a token or a key
        ");
    }

    #[test]
    fn what_only_resembles_one() {
        let digest = "0123456789abcdef".repeat(4);
        let lines = [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAk5qNqsmcPZY9UfWDyzEVTXzw8RCsY3ezbi2SG5pvkN operator",
            "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAk5qNqsmcPZY9Uf",
            "-----BEGIN AGE ENCRYPTED FILE-----",
            "-----BEGIN CERTIFICATE-----",
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudtd3vnqvf2s5a",
            "/nix/store/0c5b8x3yq4b8vqhhmwwsbvvwfwqfvkzy-linux-6.12",
            &digest,
            &format!("secret = {digest}"),
            "token = sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "password_file=/run/deployctl/secrets/ups1",
            "password = @PASSWORD@",
            "api_key = vllm-api-key-2026",
            "LoadCredential=token:/run/deployctl/secrets/hf",
            "PasswordAuthentication no",
            "passwd:         files systemd",
            "https://10.0.0.2:8000/v1/models",
            "git+ssh://git@10.0.0.2:2222/engine",
            "http://[fd00::1]:8000/",
            "postgres://trader:${PASSWORD}@db/ticks",
            "secret: 32",
        ];
        let taken: Vec<_> = lines.iter().filter(|line| shape(line).is_some()).collect();
        assert_eq!(taken, Vec::<&&str>::new());
    }

    #[test]
    fn lines_count_from_one() {
        let text = format!("a = 1\n\n{}\n", made_up("hf_", 34));
        assert_eq!(in_text(&text), [(3, "a token of Hugging Face")]);
    }

    /// On a line of its own and after a tab, which JSON writes as two characters each.
    #[test]
    fn facts_are_looked_at_as_they_are() {
        let token = made_up("hf_", 34);
        for content in [format!("# hub\n{token}\n"), format!("hub\t{token}\n")] {
            let bytes = include_bytes!("../../../../tests/fixtures/inventory.json");
            let mut facts: Value = serde_json::from_slice(bytes).expect("it is JSON");
            facts["hosts"]["cuda"]["extra"] = serde_json::json!({ "files": [{
                "path": "/etc/hub.conf", "mode": "0600", "owner": "root", "group": "root", "content": content,
            }] });
            let inventory = crate::inventory::parse(facts.to_string().as_bytes());
            let found = exposed_facts(&inventory.expect("it is valid"));
            let told: Vec<_> = found
                .iter()
                .map(|it| (it.path.to_string(), it.looks_like))
                .collect();
            let path = "hosts.cuda.extra.files.0.content".to_owned();
            assert_eq!(told, [(path, "a token of Hugging Face")]);
        }
    }

    #[test]
    fn no_fact_of_the_real_hosts_looks_like_one() {
        let inventory =
            crate::inventory::parse(include_bytes!("../../../../tests/fixtures/inventory.json"));
        assert_eq!(exposed_facts(&inventory.expect("it is valid")), []);
    }
}
