use super::*;

const RECORDED: &str = "\
way operator 192.0.2.9 51812 192.0.2.1 22
groups operator sudo
password operator L 2026-11-26 0 99999 7 -1
StateChangeTimestamp=Thu 2026-11-26 14:41:20.123456 UTC
Id=ssh.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=ssh.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
StateChangeTimestamp=Thu 2026-11-26 14:41:20.123456 UTC

Id=ssh.socket
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled
StateChangeTimestamp=

Id=sshd.socket
LoadState=not-found
ActiveState=inactive
UnitFileState=
StateChangeTimestamp=
config 2026-11-26 14:40:00.5000000000 /etc/ssh/sshd_config
config 2026-11-26 14:41:20.1234561000 /etc/ssh/sshd_config.d/10-m.conf
listen 0.0.0.0:22 830 ssh.service sshd
listen [::]:22 830 ssh.service sshd
listen 127.0.0.1:8080 900  python3
sudoers /etc/sudoers:12 @includedir /etc/sudoers.d -
sudoers /etc/sudoers.d/10-installer:1 operator NOPASSWD ALL
";

#[test]
fn the_section_is_read() {
    let found = parse(RECORDED.as_bytes());
    insta::assert_json_snapshot!(found);
    assert_eq!(found.service().unwrap().0, "ssh.service");
    assert_eq!(found.socket(), None);
    assert_eq!(found.starts_at_boot(), Some(true));
    // The same microsecond is not later.
    assert_eq!(found.not_loaded(), None);
}

#[test]
fn a_file_that_changed_after_the_daemon_loaded_it_is_told() {
    let later = RECORDED.replace("14:41:20.1234561000", "14:41:20.2234561000");
    let found = parse(later.as_bytes());
    let told = found.not_loaded().unwrap();
    assert_eq!(told.0, "/etc/ssh/sshd_config.d/10-m.conf");
    // Seconds alone, as systemd before 247 tells them, are not guessed beyond.
    let coarse = later.replace("14:41:20.123456 UTC", "14:41:20 UTC");
    assert_eq!(parse(coarse.as_bytes()).not_loaded(), None);
    let socket = later.replace("ActiveState=active", "ActiveState=inactive");
    assert_eq!(parse(socket.as_bytes()).not_loaded(), None);
}

#[test]
fn what_sshd_was_not_started_with_is_told() {
    let told = |more: &str, line: &str| {
        let unit = "UnitFileState=enabled\n";
        let started = format!("{unit}ActiveEnterTimestamp=Thu 2026-11-26 14:30:00.5 UTC\n{more}");
        parse(format!("{}{line}\n", RECORDED.replace(unit, &started)).as_bytes())
    };
    let drop_in = "/etc/systemd/system/ssh.service.d/x.conf";
    let before = told(
        "",
        &format!("start 2026-11-26 14:29:59.5000000000 {drop_in}"),
    );
    assert_eq!(before.not_started_with(), None);
    assert_eq!(before.outdated(".service"), None);
    let after = told(
        "",
        &format!("start 2026-11-26 14:30:00.6000000000 {drop_in}"),
    );
    assert_eq!(after.not_started_with().unwrap().0, drop_in);
    let behind = told("NeedDaemonReload=yes\n", "");
    assert_eq!(behind.outdated(".service"), Some("ssh.service"));
    assert_eq!(behind.outdated(".socket"), None);
    // Who does not say when it was started is not guessed at.
    let silent = parse(format!("{RECORDED}start 2026-11-26 15:00:00.5 {drop_in}\n").as_bytes());
    assert_eq!(silent.not_started_with(), None);
}

#[test]
fn one_of_the_units_has_to_start_at_boot() {
    let disabled = RECORDED.replace("=enabled", "=disabled");
    assert_eq!(parse(disabled.as_bytes()).starts_at_boot(), Some(false));
    let by_another = RECORDED.replace("=enabled", "=static");
    assert_eq!(parse(by_another.as_bytes()).starts_at_boot(), None);
    assert_eq!(parse(b"").starts_at_boot(), None);
}
