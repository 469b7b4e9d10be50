//! Modules and facts that are wrong: what is said, all at once, and where.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

mod paths;

use std::collections::BTreeMap;

use deployctl_core::concern::Folders;
use deployctl_core::name::{HostName, ManagedPath};
use deployctl_core::render::{Facts, Rendering, TemplateSet, render, why};
use deployctl_core::rendered::{PackageFile, Rendered, Sha256Hex};
use serde_json::json;

/// Renders `files` (`time/module.toml` is `modules/time/ubuntu/module.toml`) for one host with some facts; errors as they are shown.
fn attempt(files: &[(&str, &str)]) -> Result<Rendered, String> {
    let files = files.iter().map(|(path, text)| {
        let (concern, below) = path.split_once('/').unwrap_or((path, ""));
        (format!("{concern}/ubuntu/{below}"), (*text).to_owned())
    });
    let folders = Folders::default().with("modules", files.collect());
    let set = TemplateSet::of(&folders).map_err(|e| e.to_string())?;
    let inventory = json!({
        "version": 1,
        "cluster": { "operators": { "ann": { "keys": [] } } },
        "hosts": {
            "box": {
                "platform": "ubuntu",
                "hugepages": { "count": 2048, "size_kib": 2048, "mount": "/mnt/huge" },
                "users": ["ann", "bob"],
                "evil": { "line": "a\nb", "word": "x y", "null": null, "up": "/etc/../x" },
                "time": {},
            },
        },
    });
    match render(
        &Facts::from_inventory(&inventory),
        &HostName::new("box").expect("a name"),
        &set,
    ) {
        Ok(Rendering::Files(rendered)) => Ok(*rendered),
        Ok(Rendering::NeedsClosure { platform, .. }) => Err(platform.to_string()),
        Err(errors) => Err(errors.to_string()),
    }
}

fn refused(files: &[(&str, &str)]) -> String {
    match attempt(files) {
        Ok(rendered) => panic!("rendered: {:?}", rendered.entries.keys()),
        Err(errors) => errors,
    }
}

#[test]
fn undefined_variables_name_template_line_and_what_is_near() {
    insta::assert_snapshot!(refused(&[
        (
            "hugepages/module.toml",
            r#"
[[file]]
path = "/etc/a.conf"
syntax = "words"

[[file]]
path = "{{ host.hugepages.mout }}/x"
template = "b"
syntax = "words"

[[file]]
when = "host.nvidia.persistence"
path = "/etc/c.conf"
template = "b"
syntax = "words"

[[file]]
path = "/etc/d.conf"
template = "b"
syntax = "words"

[[package]]
each = "host.hugepages.packages"
name = "x"
"#,
        ),
        ("hugepages/etc/a.conf", "first\n{{ host.hugepages.cout }}\n"),
        ("hugepages/b", "{{ hots.name }}"),
    ]), @"
    modules/hugepages/ubuntu/b:1: host `box`: `hots.name` is undefined
      hint: templates know `host`, `hosts`, `cluster`, and with `each` also `item` and `key`
    modules/hugepages/ubuntu/etc/a.conf:2: host `box`: `host.hugepages.cout` is undefined: the inventory has no `hosts.box.hugepages.cout`
      hint: did you mean `count`?
    modules/hugepages/ubuntu/module.toml:7: host `box`: `host.hugepages.mout` is undefined: the inventory has no `hosts.box.hugepages.mout`
      hint: did you mean `mount`?
    modules/hugepages/ubuntu/module.toml:12: host `box`: `host.nvidia.persistence` is undefined: the inventory has no `hosts.box.nvidia`
      hint: declared there: `evil`, `hugepages`, `name`, `platform`, `time`, `users`
    modules/hugepages/ubuntu/module.toml:23: host `box`: `host.hugepages.packages` is undefined: the inventory has no `hosts.box.hugepages.packages`
      hint: declared there: `count`, `mount`, `size_kib`
    ");
}

#[test]
fn values_that_would_break_out_are_refused_by_the_target_s_syntax() {
    insta::assert_snapshot!(refused(&[
        (
            "evil/module.toml",
            r#"
[[file]]
path = "/etc/line.conf"
template = "line"
syntax = "yaml"

[[file]]
path = "/etc/word.conf"
template = "word"
syntax = "unit"

[[file]]
path = "/etc/null.conf"
template = "null"
syntax = "sh"

[[file]]
path = "/etc/list.conf"
template = "list"
syntax = "words"

[[file]]
path = "/etc/safe.conf"
template = "safe"
syntax = "words"

[[file]]
path = "/etc/free.conf"
template = "free"
syntax = "words"
"#,
        ),
        ("evil/line", "a: {{ host.evil.line }}\n"),
        ("evil/word", "[Service]\nUser={{ host.evil.word }}\n"),
        ("evil/null", "x={{ host.evil.null }}\n"),
        ("evil/list", "{{ host.users }}\n"),
        (
            "evil/safe",
            "{% autoescape false %}{{ host.evil.word }}{% endautoescape %}\n"
        ),
        ("evil/free", "{{ host.evil.line | line }}\n"),
    ]), @r"
    modules/evil/ubuntu/free:1: host `box`: `line`: `a\nb` cannot be written in words syntax: it holds the control character `\n`
    modules/evil/ubuntu/line:1: host `box`: `host.evil.line`: `a\nb` cannot be written in yaml syntax: it holds the control character `\n`
    modules/evil/ubuntu/list:1: host `box`: `host.users`: a sequence cannot be written; loop over it
    modules/evil/ubuntu/null:1: host `box`: `host.evil.null`: null cannot be written; test for it with `is none`
    modules/evil/ubuntu/safe:1: host `box`: `host.evil.word`: escaping cannot be switched off
    modules/evil/ubuntu/word:2: host `box`: `host.evil.word`: `x y` cannot be written in unit syntax: it holds a space, which would make it several words
    ");
}

#[test]
fn nothing_marks_a_value_as_safe() {
    insta::assert_snapshot!(refused(&[
        (
            "evil/module.toml",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"words\"\n",
        ),
        ("evil/etc/x", "{{ host.evil.word | safe }}\n"),
    ]), @"modules/evil/ubuntu/etc/x:1: host `box`: `safe`: filter safe is unknown");
}

#[test]
fn templates_that_quote_quoted_values_are_refused() {
    insta::assert_snapshot!(refused(&[
        (
            "evil/module.toml",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"sh\"\n[[file]]\npath = \"/etc/y\"\nsyntax = \"yaml\"\n",
        ),
        (
            "evil/etc/x",
            "# it's fine here: {{ host.name }}\nx=\"{{ host.evil.word }}\"\n"
        ),
        ("evil/etc/y", "x: \"{{ host.evil.word }}\"\n"),
    ]), @"
    modules/evil/ubuntu/etc/x:2: a value stands between quotes
      hint: leave the quotes out: the value brings its own
    modules/evil/ubuntu/etc/y:1: a value stands between quotes
      hint: leave the quotes out: the value brings its own
    ");
}

#[test]
fn declarations_that_contradict_each_other() {
    insta::assert_snapshot!(refused(&[
        (
            "hugepages/module.toml",
            r#"
[[file]]
path = "/etc/sysctl.d/a.conf"
syntax = "sysctl"

[[package]]
name = "both"

[[package]]
name = "x"
version = "1"

[[unit]]
name = "x.service"
"#,
        ),
        (
            "hugepages/etc/sysctl.d/a.conf",
            "vm.swappiness = 1\nwhat is this\n"
        ),
        (
            "time/module.toml",
            r#"
[[file]]
path = "/etc/sysctl.d/a.conf"
syntax = "sysctl"

[[file]]
path = "/etc/sysctl.d/b.conf"
syntax = "sysctl"

[[file]]
path = "/etc/modules-load.d/c.conf"
syntax = "words"

[[absent]]
path = "/etc/old"

[[directory]]
path = "/etc/old/inner"

[[symlink]]
path = "/srv/link"
target = "elsewhere"

[[directory]]
path = "/srv/link/below/it"

[[package]]
name = "both"

[[package]]
name = "x"
version = "2"

[[unit]]
name = "x.service"
"#,
        ),
        ("time/etc/sysctl.d/a.conf", "vm.swappiness = 1\n"),
        (
            "time/etc/sysctl.d/b.conf",
            "# fine\n-vm.absent = 1\nvm.swappiness = 2\n"
        ),
        ("time/etc/modules-load.d/c.conf", "nvidia\ntwo words\n"),
    ]), @"
    modules/hugepages/ubuntu/module.toml:3: host `box`: line 2 of `/etc/sysctl.d/a.conf` is no `key = value` setting: `what is this`
    modules/time/ubuntu/module.toml:3: host `box`: `/etc/sysctl.d/a.conf` is written by modules/hugepages/ubuntu/module.toml:3 already
    modules/time/ubuntu/module.toml:7: host `box`: `vm.swappiness` is set to `2` here and to `1` by `/etc/sysctl.d/a.conf`
    modules/time/ubuntu/module.toml:11: host `box`: line 2 of `/etc/modules-load.d/c.conf` is no kernel module's name: `two words`
    modules/time/ubuntu/module.toml:18: host `box`: `/etc/old/inner` is below `/etc/old`, which modules/time/ubuntu/module.toml:15 declares to be absent
    modules/time/ubuntu/module.toml:25: host `box`: `/srv/link/below/it` is below `/srv/link`, which modules/time/ubuntu/module.toml:21 declares to be a symlink
    modules/time/ubuntu/module.toml:31: host `box`: package `x` is declared by modules/hugepages/ubuntu/module.toml:10 already
    modules/time/ubuntu/module.toml:35: host `box`: unit `x.service` is declared by modules/hugepages/ubuntu/module.toml:14 already
    ");
}

/// One that needs a package to be there agrees with one that pins it.
#[test]
fn several_concerns_need_a_package() {
    let plain = "[[package]]\nname = \"x\"\n";
    let pinned = "[[package]]\nname = \"x\"\nversion = \"2\"\nhold = true\n";
    for (first, second, named, other) in [
        (plain, pinned, "time", "hugepages"),
        (pinned, plain, "hugepages", "time"),
        (plain, plain, "hugepages", "time"),
        (pinned, pinned, "hugepages", "time"),
    ] {
        let files = [
            ("hugepages/module.toml", first),
            ("time/module.toml", second),
        ];
        let rendered = attempt(&files).expect("they agree");
        let want = rendered.packages.values().next().expect("one package");
        let pins = [first, second].contains(&pinned);
        assert_eq!(want.concern.as_str(), named);
        assert_eq!(want.others.iter().next().map(AsRef::as_ref), Some(other));
        assert_eq!(want.version.as_deref(), pins.then_some("2"));
        assert_eq!(want.hold, pins);
    }
}

#[test]
fn a_unit_watches_managed_paths_only() {
    insta::assert_snapshot!(refused(&[(
        "time/module.toml",
        "[[unit]]\nname = \"a.service\"\nwatch = [\"/etc/a.conf\", \"\"]\n",
    )]), @"modules/time/ubuntu/module.toml:2: host `box`: unit `a.service` watches `/etc/a.conf`, which no concern writes");
}

#[test]
fn a_package_s_file_is_one_of_an_artifact() {
    let artifact = format!(
        "[[artifact]]\nkind = \"debs\"\nname = \"own\"\nbase = \"/srv/debs\"\nsource = \"/srv/incoming\"\nfiles = \"[{{'path': 'a.deb', 'size': 1, 'sha256': '{}'}}]\"\n",
        "5a".repeat(32)
    );
    let package = |rest: &str| format!("{artifact}[[package]]\nname = \"a\"\n{rest}");
    let from = |file: &str| package(&format!("version = \"1\"\nfile = \"{file}\"\n"));
    let rendered = attempt(&[("time/module.toml", from("/srv/debs/current/a.deb").as_str())]);
    let rendered = rendered.expect("it is there");
    let want = rendered.packages.values().next().expect("one package");
    assert_eq!(
        want.file,
        Some(PackageFile {
            path: ManagedPath::new("/srv/debs/current/a.deb").unwrap(),
            sha256: Sha256Hex::from_hex(&"5a".repeat(32)),
        })
    );
    let none = attempt(&[("time/module.toml", package("file = \"\"\n").as_str())]);
    let none = none.expect("an empty file is none");
    assert!(none.packages.values().all(|want| want.file.is_none()));
    let mut said = Vec::new();
    for wrong in [
        from("/srv/debs/current/b.deb"),
        from("/srv/debs/a.deb"),
        from("/srv/incoming/a.deb"),
        from("a.deb"),
        package("file = \"/srv/debs/current/a.deb\"\n"),
    ] {
        said.push(refused(&[("time/module.toml", wrong.as_str())]));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    modules/time/ubuntu/module.toml:8: host `box`: `/srv/debs/current/b.deb`, which package `a` is installed from, is no file of an artifact
    modules/time/ubuntu/module.toml:8: host `box`: `/srv/debs/a.deb`, which package `a` is installed from, is no file of an artifact
    modules/time/ubuntu/module.toml:8: host `box`: `/srv/incoming/a.deb`, which package `a` is installed from, is no file of an artifact
    modules/time/ubuntu/module.toml:10: host `box`: `file`: `a.deb` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    modules/time/ubuntu/module.toml:9: host `box`: `file`: is without the `version` of the package in it
    ");
}

#[test]
fn manifests_that_do_not_read() {
    let mut said = Vec::new();
    for (name, text) in [
        (
            "unknown-key",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"sh\"\nowner = \"root\"\nmod = \"0644\"\n",
        ),
        (
            "unknown-follow-up",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"sh\"\nfollow_ups = [\"reeboot\"]\n",
        ),
        (
            "unknown-syntax",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"json\"\n",
        ),
        ("no-syntax", "[[file]]\npath = \"/etc/x\"\n"),
        (
            "no-template",
            "[[file]]\npath = \"/etc/y\"\nsyntax = \"sh\"\n",
        ),
        (
            "templated-path-without-template",
            "[[file]]\npath = \"/etc/{{ host.name }}\"\nsyntax = \"sh\"\n",
        ),
        (
            "content-and-template",
            "[[file]]\npath = \"/etc/x\"\ntemplate = \"x\"\ncontent = \"host.name\"\n",
        ),
        ("no-toml", "[[file]\n"),
        ("bad-expression", "applies = \"host.\"\n"),
        ("bad-string", "[[directory]]\npath = \"/srv/{{ host. }}\"\n"),
        ("unused-template", ""),
        (
            "bad-template",
            "[[file]]\npath = \"/etc/z\"\ntemplate = \"z\"\nsyntax = \"sh\"\n",
        ),
        (
            "empty-release",
            "[[release]]\nbase = \"/srv/gone\"\nfolder = \"gone\"\nsyntax = \"sh\"\n",
        ),
    ] {
        let (file, template) = if name == "bad-template" {
            ("time/z", "x\n{{ host. }}\n")
        } else {
            ("time/etc/x", "x\n")
        };
        let errors = refused(&[("time/module.toml", text), (file, template)]);
        said.push(format!("{name}: {errors}"));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    unknown-key: modules/time/ubuntu/module.toml:5: unknown field `mod`, expected one of `when`, `each`, `path`, `template`, `content`, `syntax`, `mode`, `owner`, `group`, `validate`, `validate_with`, `follow_ups`
    unknown-follow-up: modules/time/ubuntu/module.toml:4: unknown variant `reeboot`, expected one of `sysusers`, `tmpfiles`, `modules`, `sysctl`, `udev`, `daemon-reload`, `firewall`, `network`, `mounts`, `initramfs`, `bootloader`, `reboot`
    unknown-syntax: modules/time/ubuntu/module.toml:3: unknown variant `json`, expected one of `unit`, `yaml`, `nft`, `sh`, `sudoers`, `grub`, `words`, `sysctl`, `apt`, `perl`, `plain`
    no-syntax: modules/time/ubuntu/module.toml:2: a file from a template needs a `syntax`
      hint: it says how values are escaped: `unit`, `sh`, `yaml` …
    no-template: modules/time/ubuntu/module.toml:2: there is no template `modules/time/ubuntu/etc/y`
    templated-path-without-template: modules/time/ubuntu/module.toml:2: a `path` that is a template needs a `template`
    content-and-template: modules/time/ubuntu/module.toml:4: `content` goes with neither `template` nor `syntax`
    no-toml: modules/time/ubuntu/module.toml:1: unclosed array table, expected `]`
    bad-expression: modules/time/ubuntu/etc/x:1: no entry of `module.toml` uses this file
    modules/time/ubuntu/module.toml:1: unexpected end of input, expected identifier or integer
    bad-string: modules/time/ubuntu/etc/x:1: no entry of `module.toml` uses this file
    modules/time/ubuntu/module.toml:2: unexpected end of variable block, expected identifier or integer
    unused-template: modules/time/ubuntu/etc/x:1: no entry of `module.toml` uses this file
    bad-template: modules/time/ubuntu/z:2: unexpected end of variable block, expected identifier or integer
    empty-release: modules/time/ubuntu/module.toml:3: there is no template `modules/time/ubuntu/gone/…`
    "#);
}

#[test]
fn modules_are_concerns() {
    insta::assert_snapshot!(refused(&[
        ("Time/module.toml", ""),
        ("stray.txt", ""),
        ("ssh/etc/x", ""),
    ]), @"
    modules/Time/ubuntu/module.toml:1: `Time` is not a valid concern name: lower-case letters and digits, starting with a letter, at most 32
    modules/ssh/ubuntu/module.toml:1: a concern needs a `module.toml`
    modules/stray.txt/ubuntu/module.toml:1: `stray.txt` is not a valid concern name: lower-case letters and digits, starting with a letter, at most 32
    ");
}

#[test]
fn a_host_that_is_not_there() {
    let facts = Facts::from_inventory(&json!({ "hosts": { "box": { "platform": "ubuntu" } } }));
    let set = TemplateSet::of(&Folders::default()).expect("no modules");
    let errors = render(&facts, &HostName::new("bax").expect("a name"), &set).expect_err("no host");
    insta::assert_snapshot!(errors.to_string(), @"
    hosts:1: host `bax`: the inventory has no such host
      hint: declared hosts: `box`
    ");
}

#[test]
fn a_release_is_named_by_what_is_in_it() {
    let manifest = "[[release]]\nbase = \"/srv/app\"\nfolder = \"app\"\nsyntax = \"sh\"\n";
    let paths = |text| -> Vec<String> {
        let files = [
            ("time/module.toml", manifest),
            ("time/app/conf/a", text),
            ("time/app/b", "b\n"),
        ];
        let rendered = attempt(&files).expect("renders");
        rendered.entries.keys().map(ToString::to_string).collect()
    };
    let (one, same, other) = (paths("{{ host.name }}\n"), paths("box\n"), paths("else\n"));
    assert_eq!(one, same);
    assert_ne!(one, other);
    insta::assert_snapshot!(one.join("\n"), @"
    /srv/app/current
    /srv/app/releases/d7314c2f0b60/b
    /srv/app/releases/d7314c2f0b60/conf/a
    ");
}

#[test]
fn why_a_path_is_there() {
    let rendered = attempt(&[
        (
            "hugepages/module.toml",
            r#"
[[file]]
each = "host.users"
when = "host.hugepages.count > 0"
path = "/srv/{{ item }}"
template = "user"
syntax = "words"
"#,
        ),
        ("hugepages/user", "{{ item }} {{ host.hugepages.mount }}\n{% for o in cluster.operators %}{{ o }}{% endfor %}\n"),
    ])
    .expect("renders");
    let positions = BTreeMap::from([
        (
            "hosts.box.hugepages".to_owned(),
            "hosts/box/default.nix:3".to_owned(),
        ),
        (
            "hosts.box.hugepages.mount".to_owned(),
            "hosts/box/default.nix:5".to_owned(),
        ),
        (
            "hosts.box.users".to_owned(),
            "hosts/box/default.nix:9".to_owned(),
        ),
    ]);
    let path = ManagedPath::new("/srv/bob").expect("a path");
    insta::assert_debug_snapshot!(why(&rendered, &path, &positions));
    let nowhere = ManagedPath::new("/srv/eve").expect("a path");
    assert_eq!(why(&rendered, &nowhere, &positions), None);
}
