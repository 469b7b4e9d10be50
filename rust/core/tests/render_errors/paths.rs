//! Paths, modes and names.

use deployctl_core::name::ManagedPath;

use super::{attempt, refused};

#[test]
fn paths_are_where_the_administrator_has_files() {
    // Where no facts could bring them there: as soon as the module is read.
    insta::assert_snapshot!(refused(&[(
        "time/module.toml",
        r#"
[[directory]]
path = "/root/time"

[[symlink]]
path = "/home/{{ host.system.hostname }}"
target = "/srv"
"#,
    )]), @"
    modules/time/ubuntu/module.toml:3: `/root/time` is in none of /etc, /opt, /srv, /usr/local, /var/lib
      hint: what is elsewhere belongs to packages, to users or to the kernel; where facts name the whole path, `facts_choose_paths` of module.toml can say why
    modules/time/ubuntu/module.toml:6: `/home/{{ host.system.hostname }}` is in none of /etc, /opt, /srv, /usr/local, /var/lib
      hint: what is elsewhere belongs to packages, to users or to the kernel; where facts name the whole path, `facts_choose_paths` of module.toml can say why
    ");
    // Otherwise where they are rendered; a module can say why its paths can be anywhere.
    let module = |reason: &str| {
        format!("{reason}\n[[directory]]\npath = \"{{{{ '/root/' ~ host.users[0] }}}}\"\n")
    };
    let refused = |reason: &str| refused(&[("time/module.toml", &module(reason))]);
    insta::assert_snapshot!(refused(""), @"
    modules/time/ubuntu/module.toml:3: host `box`: `/root/ann` is in none of /etc, /opt, /srv, /usr/local, /var/lib
      hint: what is elsewhere belongs to packages, to users or to the kernel; where facts name the whole path, `facts_choose_paths` of module.toml can say why
    ");
    insta::assert_snapshot!(refused("facts_choose_paths = ' '"), @"modules/time/ubuntu/module.toml:1: `facts_choose_paths` gives no reason");
    let chosen = attempt(&[(
        "time/module.toml",
        &module("facts_choose_paths = 'each person has one'"),
    )]);
    let paths: Vec<_> = chosen.expect("renders").entries.into_keys().collect();
    assert_eq!(paths, [ManagedPath::new("/root/ann").expect("a path")]);
}

#[test]
fn paths_modes_and_names_are_checked_after_rendering() {
    insta::assert_snapshot!(refused(&[(
        "time/module.toml",
        r#"
[[directory]]
path = "{{ host.evil.up }}"

[[directory]]
path = "relative"

[[directory]]
path = "/proc/sys/x"

[[directory]]
path = "/var/lib/deployctl"

[[directory]]
path = "/srv/a"
mode = "0999"

[[directory]]
path = "/srv/b"
owner = "Root"

[[symlink]]
path = "/srv/c"
target = ""

[[unit]]
name = "no-suffix"

[[unit]]
name = "a.service"
on_change = "explode"

[[unit]]
name = "b.service"
start_timeout_seconds = "soon"

[[package]]
name = "x"
version = "latest"

[[file]]
path = "/srv/d"
content = "host.users"
"#,
    )]), @r"
    modules/time/ubuntu/module.toml:3: host `box`: `path`: `/etc/../x` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    modules/time/ubuntu/module.toml:6: host `box`: `path`: `relative` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    modules/time/ubuntu/module.toml:9: host `box`: `/proc/sys/x` is below `/proc`, where nothing can be managed
    modules/time/ubuntu/module.toml:12: host `box`: `/var/lib/deployctl` is below `/var/lib/deployctl`, where nothing can be managed
    modules/time/ubuntu/module.toml:16: host `box`: `mode`: `0999` is not a file mode; expected octal digits such as `0644`
    modules/time/ubuntu/module.toml:20: host `box`: `owner`: `Root` is not a valid account name: lower-case letters, digits, `-` and `_`, starting with a letter or `_`, at most 31
    modules/time/ubuntu/module.toml:24: host `box`: `target`: a link's target is neither empty nor holds control characters
    modules/time/ubuntu/module.toml:27: host `box`: `name`: `no-suffix` is not a valid unit name: letters, digits and `:-_.@\`, with a unit suffix such as `.service`, at most 255
    modules/time/ubuntu/module.toml:31: host `box`: `on_change`: `explode` is not `restart`, `reload` or `nothing`
    modules/time/ubuntu/module.toml:35: host `box`: `start_timeout_seconds`: `soon` is not what this key holds
    modules/time/ubuntu/module.toml:39: host `box`: `version`: `latest` is no package version
    modules/time/ubuntu/module.toml:43: host `box`: `content`: expected text, found a sequence
    ");
}
