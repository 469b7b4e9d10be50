//! What decides whether the operator gets in and becomes root: sshd and sudo.

use super::*;
use crate::precedence::sshd::{Login, evaluate};
use crate::precedence::sudoers::{Rule, last};

#[test]
fn sshd_takes_the_first_value_and_that_of_a_matching_block_before_it() {
    let login = Login {
        user: "operator".to_owned(),
        groups: Some(vec!["operator".to_owned(), "sudo".to_owned()]),
        from: "192.0.2.9".parse().ok(),
        to: "192.0.2.1".parse().ok(),
        port: 22,
    };
    let found = |main: &str, drop_in: &str| {
        let files = files(&[
            ("/etc/ssh/sshd_config", main),
            (
                "/etc/ssh/sshd_config.d/00-deployctl.conf",
                "PubkeyAuthentication yes\n",
            ),
            ("/etc/ssh/sshd_config.d/10-x.conf", drop_in),
        ]);
        let effective = evaluate(&files, &login);
        let value = effective.get("pubkeyauthentication");
        let value = value.map_or_else(
            || "nothing".to_owned(),
            |v| format!("{} by {v}", v.words.join(" ")),
        );
        if effective.unsure {
            format!("{value}, unsure")
        } else {
            value
        }
    };
    let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
    let ours = "yes by `/etc/ssh/sshd_config.d/00-deployctl.conf:1`";
    let by_block = |block: &str| format!("no by `/etc/ssh/sshd_config.d/10-x.conf:2` (`{block}`)");
    for (main, drop_in, expected) in [
        (include, "PubkeyAuthentication no\n", ours.to_owned()),
        ("Include sshd_config.d/*.conf\n", "", ours.to_owned()),
        (
            "PubkeyAuthentication no # first\n",
            "",
            "no by `/etc/ssh/sshd_config:1`".to_owned(),
        ),
        ("UsePAM yes\n", "", "nothing".to_owned()),
        (
            include,
            "Match User operator\nPubkeyAuthentication no\n",
            by_block("Match User operator"),
        ),
        (
            include,
            "Match all\n  PubkeyAuthentication=no\n",
            by_block("Match all"),
        ),
        (
            include,
            "Match User bob,!operator\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match User=oper*\nPubkeyAuthentication \"no\"\n",
            by_block("Match User=oper*"),
        ),
        (
            include,
            "Match Address 192.0.2.0/24 Group sudo\nPubkeyAuthentication no\n",
            by_block("Match Address 192.0.2.0/24 Group sudo"),
        ),
        (
            include,
            "Match Address 198.51.100.*\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match LocalPort 2222\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match Host *.example.com\nPubkeyAuthentication no\n",
            format!("{ours}, unsure"),
        ),
    ] {
        assert_eq!(found(main, drop_in), expected, "{main}{drop_in}");
    }
    // A block ends with the file that it begins in.
    let main = format!("{include}AllowUsers root\n");
    let files = files(&[
        ("/etc/ssh/sshd_config", main.as_str()),
        (
            "/etc/ssh/sshd_config.d/10-x.conf",
            "Match User bob\nAllowUsers bob\n",
        ),
    ]);
    let effective = evaluate(&files, &login);
    assert_eq!(effective.get("allowusers").unwrap().words, ["root"]);
}

#[test]
fn the_last_rule_of_sudoers_that_matches_counts() {
    let place = |of: &[(&str, &str)], groups: &[&str]| {
        let rules: Vec<Rule> = of
            .iter()
            .flat_map(|(file, text)| Rule::of_file(file, text))
            .collect();
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        last(&rules, "operator", &groups)
            .map(|rule| (rule.place().to_string(), rule.asks_nothing()))
    };
    let main = (
        "/etc/sudoers",
        "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
    );
    let installer = (
        "/etc/sudoers.d/10-installer",
        "operator ALL=(ALL) NOPASSWD: ALL\n",
    );
    let ours = (
        "/etc/sudoers.d/90-deployctl",
        "# ours\noperator ALL=(ALL:ALL) ALL\n",
    );
    let at = |place: &str, asks_nothing| Some((place.to_owned(), asks_nothing));
    assert_eq!(place(&[main], &["sudo"]), at("/etc/sudoers:3", false));
    assert_eq!(place(&[main], &[]), None);
    assert_eq!(
        place(&[installer, main], &["sudo"]),
        at("/etc/sudoers.d/10-installer:1", true)
    );
    assert_eq!(
        place(&[ours, installer, main], &["sudo"]),
        at("/etc/sudoers.d/90-deployctl:2", false)
    );
    let service = (
        "/etc/sudoers.d/99-x",
        "operator ALL=(root) NOPASSWD: /usr/bin/true\n",
    );
    assert_eq!(
        place(&[service, ours, main], &[]),
        at("/etc/sudoers.d/90-deployctl:2", false)
    );
}
