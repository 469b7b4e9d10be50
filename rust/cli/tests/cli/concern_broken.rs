//! Folders of concerns that cannot be read, each told by its place.

use std::fmt::Write as _;

use serde_json::json;

use crate::concern::{declare, with_web, write};
use crate::environment::TestEnv;

/// Changes one file of the sound folder each; empty removes it.
#[test]
fn a_broken_folder_is_told_by_file_and_line() {
    let mut shown = String::new();
    for (path, text) in [
        ("concern.toml", ""),
        ("concern.toml", "summary = \"x\"\nplatform = []\n"),
        (
            "concern.toml",
            "summary = \"x\"\nplatforms = [\"ubuntu\", \"windows\"]\n",
        ),
        ("concern.toml", "summary = \"x\"\nplatforms = []\n"),
        (
            "concern.toml",
            "summary = \"x\"\nplatforms = [\"ubuntu\"]\n[without]\nubuntu = \"no\"\n",
        ),
        (
            "concern.toml",
            "summary = \"x\"\nplatforms = [\"ubuntu\", \"nixos\", \"darwin\"]\n[[unit]]\nplatform = \"nixos\"\nname = \"web\"\n",
        ),
        (
            "concern.toml",
            "summary = \"x\"\nplatforms = [\"ubuntu\", \"nixos\", \"darwin\"]\nblackout = \"port\"\n",
        ),
        (
            "checks.toml",
            "[query.speed]\ncommand = \"true\"\ndeadline_seconds = 1\n[[check]]\nname = \"speed\"\nquery = \"speed\"\nexpected = \"fast\"\njudge = \"prob\"\n",
        ),
        ("facts.schema.json", ""),
        ("facts.schema.json", "{\n  \"type\": \"object\",\n"),
        ("facts.schema.json", "[]"),
        (
            "facts.schema.json",
            r#"{ "type": "object", "properties": {} }"#,
        ),
        (
            "facts.schema.json",
            r#"{ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "number", "minimum": "x" } } }"#,
        ),
        (
            "facts.schema.json",
            r#"{ "type": "object", "additionalProperties": false, "properties": { "a": { "$ref": "deployctl:prot" } } }"#,
        ),
        (
            "facts.schema.json",
            r##"{ "type": "object", "additionalProperties": false, "properties": { "a": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "$ref": "#/$defs/a" } } }"##,
        ),
        ("ubuntu/module.toml", "[[file]]\npath = \"/etc/web.conf\"\n"),
        ("rules.toml", "[[rules]]\n"),
        (
            "rules.toml",
            "[[rule]]\nholds = \"host.web.port ==\"\nblames = \"web..port\"\nmessage = \"{% for x in hosts %}{{ x }}{% endfor %}\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"answer.port == 1\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"1 / 0 == host.web.port\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"('x' * 1000000000) == host.web.root\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"host.web.prot == 1\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"[[host.web.port] * 9999] * 9999 | string\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"host.web.log != 'debug'\"\nblames = \"web.log\"\nmessage = \"no\"\n",
        ),
        (
            "concern.toml",
            "summary = \"x\"\nplatforms = [\"ubuntu\", \"nixos\", \"darwin\"]\nkernel_features = [\"ebpf\"]\n",
        ),
        (
            "ubuntu/etc/web.conf",
            "{% for x in range(99999) %}{% for y in range(99999) %}{{ x }}{% endfor %}{% endfor %}\n",
        ),
        ("ubuntu/etc/web.conf", "{{ 'x' * 1073741824 }}\n"),
        (
            "ubuntu/etc/web.conf",
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}\n",
        ),
        ("ubuntu/etc/web.conf", "{{ 1 / 0 }}\n"),
        (
            "ubuntu/etc/web.conf",
            "{% set many = [1] * 400000 %}{% set more = [many] * 10000 ~ '' %}\n",
        ),
        (
            "checks.toml",
            "[query.status]\nlinux = \"true\"\ndeadline_seconds = 5\nread = \"text\"\n\n[[check]]\nname = \"status\"\nquery = \"status\"\nexpect = \"true\"\nexpected = \"{{ host.web.log_level }} is logged\"\nfound = \"it is\"\n",
        ),
        (
            "checks.toml",
            "[over_links]\naddress = \"host.web.adress\"\nport = \"1 /\"\nhealth = \"ready\"\n",
        ),
        (
            "rules.toml",
            "[[rule]]\nholds = \"range(99999) | list | map('string') | join | length > host.web.port and (range(99999) | list * 99999) | sum\"\nblames = \"web.port\"\nmessage = \"no\"\n",
        ),
        (
            "checks.toml",
            "[query.status]\nlinux = \"true\"\nread = \"text\"\n\n[[check]]\nname = \"status\"\nquery = \"state\"\nexpect = \"true\"\nexpected = \"it runs\"\nfound = \"it does\"\n",
        ),
    ] {
        let env = with_web();
        if text.is_empty() {
            std::fs::remove_file(env.repo().join("modules/web").join(path)).unwrap();
        } else {
            write(&env, path, text);
        }
        declare(&env, &json!({ "port": 8080, "root": "/srv/web" }));
        let said = env.run(&["plan"]);
        assert_eq!(said.code, 2, "{path}: {text}");
        assert_eq!(said.out, "", "{path}: {text}");
        let _ = writeln!(shown, "{path}: {text:?}\n{}", said.err);
    }
    insta::assert_snapshot!(shown);
}

/// What no text of a file shows: each with its place, and nothing is read or rendered.
#[test]
fn a_folder_that_is_not_what_it_seems_is_told_by_its_path() {
    use std::os::unix::fs::symlink;

    let mut shown = String::new();
    let mut tried = |spoil: &dyn Fn(&std::path::Path)| {
        let env = with_web();
        spoil(&env.repo().join("modules"));
        let said = env.run(&["plan"]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.all());
        shown.push_str(&said.err);
    };
    tried(&|modules| {
        let file = modules.join("web/ubuntu/etc/web.conf");
        std::fs::remove_file(&file).unwrap();
        symlink("/etc/passwd", file).unwrap();
    });
    // On the disk of a Mac these are one folder; here the second one's name is none.
    tried(&|modules| {
        std::fs::create_dir(modules.join("Web")).unwrap();
        std::fs::copy(
            modules.join("web/concern.toml"),
            modules.join("Web/concern.toml"),
        )
        .unwrap();
    });
    for taken in ["tags", "hardware", "with"] {
        tried(&|modules| {
            let folder = modules.join(taken);
            std::fs::create_dir(&folder).unwrap();
            for file in ["concern.toml", "facts.schema.json"] {
                std::fs::copy(modules.join("web").join(file), folder.join(file)).unwrap();
            }
        });
    }
    tried(&|modules| {
        std::fs::rename(modules.join("web"), modules.join("../elsewhere")).unwrap();
        symlink("../elsewhere", modules.join("web")).unwrap();
    });
    insta::assert_snapshot!(shown, @"
    error: `DIR/repo/modules/web/ubuntu/etc/web.conf` is a symbolic link out of its concern's folder; modules are regular files in folders
    error: modules/Web/concern.toml:1: `Web` is not a valid concern name: lower-case letters and digits, starting with a letter, at most 32
    error: modules/tags/concern.toml:1: `tags` is a fact of every host
      hint: rename the folder
    error: modules/hardware/concern.toml:1: `hardware` is a fact of every host
      hint: rename the folder
    error: modules/with/concern.toml:1: `with` is a word of the Nix language, where `host.with` is an error
      hint: rename the folder
    error: `DIR/repo/modules/web` is a symbolic link to a folder; modules are regular files in folders
    ");
}

#[test]
fn a_folder_in_the_earlier_layout_is_told_where_to_go() {
    let env = TestEnv::from_template();
    let earlier = env.repo().join("modules/ubuntu/time");
    std::fs::create_dir_all(&earlier).unwrap();
    std::fs::write(earlier.join("module.toml"), "").unwrap();
    insta::assert_snapshot!(env.run(&["plan"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: `DIR/repo/modules/ubuntu/time` is where earlier versions had the concern `time`
      hint: move it to `modules/time/ubuntu` and put a `concern.toml` beside that, as `deployctl concern list` has them
    ");
}
