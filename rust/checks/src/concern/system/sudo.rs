//! Whether sudo asks an operator for a password, by the rule that has the last word.

use deployctl_core::observed::{parse_way_in, sudoers_query_text};
use deployctl_core::query::{Query, quote};

use super::CONCERN;
use crate::Check;
use crate::answer::{Answer, Found, Unreadable};

/// Where our rules stand.
const OURS: &str = "/etc/sudoers.d/90-deployctl";

/// `operator` may run everything by sudo, without a password or with one.
pub(super) fn check(operator: &str, passwordless: bool) -> Check {
    let name = quote(operator);
    let query = Query::new(
        format!("system/sudo/{operator}"),
        format!(
            "echo sudo; LC_ALL=C sudo -n -l -U {name} 2>&1\nprintf 'groups %s\\n' \"$(id -Gn -- {name} 2>/dev/null)\"\n{}",
            sudoers_query_text()
        ),
    );
    let expected = if passwordless {
        format!("{operator} may run everything by sudo without a password")
    } else {
        format!("{operator} may run everything by sudo, with a password")
    };
    let operator = operator.to_owned();
    Check::new(
        CONCERN,
        &format!("sudo/{operator}"),
        &query,
        expected,
        move |answer| {
            let mut lines = answer.lines()?;
            if lines.next() != Some("sudo") {
                return Err(Unreadable::new("no answer of sudo"));
            }
            let rules: Vec<&str> = lines.filter(|line| line.starts_with('(')).collect();
            let evidence = if rules.is_empty() {
                "no rule at all".to_owned()
            } else {
                rules.join("; ")
            };
            let found = Found::when(asks(&rules) == Some(!passwordless), evidence);
            Ok(found.or_hint(last_word(answer, &operator)?))
        },
    )
}

/// Whether the last of the rules about everything asks for a password; none where there is no such rule, or it
/// forbids.
fn asks(rules: &[&str]) -> Option<bool> {
    let mut found = None;
    for rule in rules {
        // `(ALL : ALL) NOPASSWD: /bin/x, PASSWD: ALL`: a tag counts until the next one.
        let commands = rule.split_once(") ").map_or(*rule, |(_, rest)| rest);
        let mut asks = true;
        for command in commands.split(", ") {
            let mut command = command;
            while let Some((tag, rest)) = command.split_once(": ") {
                match tag {
                    "NOPASSWD" => asks = false,
                    "PASSWD" => asks = true,
                    _ => {}
                }
                command = rest;
            }
            match command {
                "ALL" => found = Some(asks),
                "!ALL" => found = None,
                _ => {}
            }
        }
    }
    found
}

/// Which line has the last word.
fn last_word(answer: &Answer<'_>, operator: &str) -> Result<String, Unreadable> {
    let way_in = parse_way_in(answer.text()?.as_bytes());
    let groups = answer
        .lines()?
        .find_map(|line| line.strip_prefix("groups "));
    let groups: Vec<String> = groups
        .unwrap_or_default()
        .split(' ')
        .map(str::to_owned)
        .collect();
    Ok(match way_in.sudo_rule(operator, &groups) {
        Some(place) if place.file == OURS => crate::MADE_BY_APPLY.to_owned(),
        Some(place) => {
            format!("`{place}` has the last word: take it out of there, or change the facts")
        }
        None => "the last rule of sudoers that matches wins".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_about_everything_counts() {
        let cases: [(&[&str], Option<bool>); 8] = [
            (&["(ALL : ALL) ALL"], Some(true)),
            (&["(ALL : ALL) NOPASSWD: ALL"], Some(false)),
            (&["(ALL : ALL) NOPASSWD: ALL", "(ALL) ALL"], Some(true)),
            (&["(ALL) ALL", "(root) NOPASSWD: /bin/x"], Some(true)),
            (&["(ALL) NOPASSWD: /bin/x, PASSWD: ALL"], Some(true)),
            (&["(ALL) SETENV: NOPASSWD: ALL"], Some(false)),
            (&["(ALL) NOPASSWD: ALL", "(ALL) !ALL"], None),
            (&[], None),
        ];
        for (rules, expected) in cases {
            assert_eq!(asks(rules), expected, "{rules:?}");
        }
    }
}
