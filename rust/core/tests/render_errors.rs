//! Modules and facts that are wrong: what is said, all at once, and where.

use std::collections::BTreeMap;

use deployctl_core::name::{HostName, ManagedPath};
use deployctl_core::render::{Facts, Rendering, TemplateSet, render, why};
use deployctl_core::rendered::Rendered;
use serde_json::json;

/// Renders `files` (below `modules/ubuntu`) for one host with some facts; errors as they are shown.
fn attempt(files: &[(&str, &str)]) -> Result<Rendered, String> {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let set = TemplateSet::new("modules/ubuntu", files.collect()).map_err(|e| e.to_string())?;
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
        Ok(Rendering::NeedsClosure { platform }) => Err(platform.to_string()),
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
    ]));
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
    ]));
}

#[test]
fn nothing_marks_a_value_as_safe() {
    insta::assert_snapshot!(refused(&[
        (
            "evil/module.toml",
            "[[file]]\npath = \"/etc/x\"\nsyntax = \"words\"\n",
        ),
        ("evil/etc/x", "{{ host.evil.word | safe }}\n"),
    ]));
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
    ]));
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
    )]));
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
name = "x"

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
name = "x"

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
    ]));
}

#[test]
fn a_unit_watches_managed_paths_only() {
    insta::assert_snapshot!(refused(&[(
        "time/module.toml",
        "[[unit]]\nname = \"a.service\"\nwatch = [\"/etc/a.conf\", \"\"]\n",
    )]));
}

#[test]
fn manifests_that_do_not_read() {
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
            "[[release]]\nbase = \"/srv\"\nfolder = \"gone\"\nsyntax = \"sh\"\n",
        ),
    ] {
        let (file, template) = if name == "bad-template" {
            ("time/z", "x\n{{ host. }}\n")
        } else {
            ("time/etc/x", "x\n")
        };
        insta::assert_snapshot!(
            format!("manifest-{name}"),
            refused(&[("time/module.toml", text), (file, template)])
        );
    }
}

#[test]
fn modules_are_concerns() {
    insta::assert_snapshot!(refused(&[
        ("Time/module.toml", ""),
        ("stray.txt", ""),
        ("ssh/etc/x", ""),
    ]));
}

#[test]
fn a_host_that_is_not_there() {
    let facts = Facts::from_inventory(&json!({ "hosts": { "box": { "platform": "ubuntu" } } }));
    let set = TemplateSet::new("modules/ubuntu", BTreeMap::new()).expect("no modules");
    let errors = render(&facts, &HostName::new("bax").expect("a name"), &set).expect_err("no host");
    insta::assert_snapshot!(errors.to_string());
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
    insta::assert_snapshot!(one.join("\n"));
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
