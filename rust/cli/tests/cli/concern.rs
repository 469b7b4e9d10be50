//! Concerns of one's own: a folder in the repository, and no Rust.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::environment::TestEnv;

const MANIFEST: &str = r#"summary = "A web server for static files."
platforms = ["ubuntu", "nixos"]

[without]
darwin = "no Mac of ours serves files"
"#;

const SCHEMA: &str = r##"{
  "description": "A web server for static files.",
  "type": "object",
  "additionalProperties": false,
  "required": ["port", "root"],
  "properties": {
    "port": { "$ref": "deployctl:port", "description": "Where it listens." },
    "root": { "$ref": "deployctl:managed-path", "description": "The folder that it serves." },
    "log": { "$ref": "#/$defs/level" }
  },
  "$defs": { "level": { "enum": ["debug", "info"], "description": "How much it says." } }
}
"##;

const MODULE: &str = r#"[[file]]
path = "/etc/web.conf"
syntax = "words"

[[package]]
name = "web"

[[unit]]
name = "web.service"
enabled = true
running = true
watch = ["/etc/web.conf"]
"#;

const TEMPLATE: &str = "listen {{ host.web.port }}\nroot {{ host.web.root }}\n";

/// A repository from the template with a concern `web`.
pub(crate) fn with_web() -> TestEnv {
    let env = TestEnv::from_template();
    for (path, text) in [
        ("concern.toml", MANIFEST),
        ("facts.schema.json", SCHEMA),
        ("ubuntu/module.toml", MODULE),
        ("ubuntu/etc/web.conf", TEMPLATE),
    ] {
        write(&env, path, text);
    }
    env
}

pub(crate) fn write(env: &TestEnv, path: &str, text: &str) {
    let path = env.repo().join("modules/web").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Lets the template's host declare the concern; null takes the declaration back.
pub(crate) fn declare(env: &TestEnv, facts: &Value) {
    let text = std::fs::read(env.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_slice(&text).unwrap();
    let mut host = inventory["hosts"]["web"].clone();
    match facts {
        Value::Null => host.as_object_mut().unwrap().remove("web"),
        facts => host
            .as_object_mut()
            .unwrap()
            .insert("web".to_owned(), facts.clone()),
    };
    env.edit("/hosts/web", host);
}

#[test]
fn a_folder_of_the_repository_is_a_concern() {
    let env = with_web();
    declare(&env, &json!({ "port": 8080, "root": "/srv/web" }));
    let planned = env.run(&["plan"]);
    assert_eq!(planned.code, 0, "{}", planned.err);
    for words in ["/etc/web.conf", "[web]"] {
        assert!(planned.out.contains(words), "{words}: {}", planned.out);
    }
    let applied = env.run(&["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let file = env.on_host("web", "/etc/web.conf");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "listen 8080\nroot /srv/web\n"
    );
    insta::assert_snapshot!(env.run(&["why", "/etc/web.conf"]).out, @"
    web: /etc/web.conf
      concern   web
      template  modules/web/ubuntu/etc/web.conf
      fact      hosts.web.web.port  (hosts/web/default.nix:1)
      fact      hosts.web.web.root  (hosts/web/default.nix:1)
    ");

    std::fs::write(&file, "listen 80\n").unwrap();
    assert_eq!(env.run(&["plan", "--exit-code"]).code, 3, "drift");

    declare(&env, &Value::Null);
    let applied = env.run(&["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert!(!file.exists(), "as before");
}

#[test]
fn what_it_declares_is_listed_and_shown() {
    let env = with_web();
    let listed = env.run(&["concern", "list"]).out;
    insta::assert_snapshot!(listed, @"
    system      built in  ubuntu nixos darwin   What every machine needs before anything else.
    apt         built in  ubuntu                Archives of packages beside the distribution's own, each with its key.
    debs        built in  ubuntu                Debian packages that no archive offers, such as a kernel of your own, each with its hash.
    ssh         built in  ubuntu nixos darwin   The way in. Keys only; passwords are never an option.
    secrets     built in  ubuntu nixos darwin   Values that only this host and the operators can read.
    time        built in  ubuntu nixos          Chrony and its sources.
    network     built in  ubuntu nixos darwin   Interfaces with their addresses, and the kernel's network settings.
    firewall    built in  ubuntu nixos          Our own nftables table.
    storage     built in  ubuntu nixos          Mounts and free-space guards.
    kernel      built in  ubuntu nixos          Which kernel, its command line, modules, settings and symbols.
    hugepages   built in  ubuntu nixos          A pool reserved at boot, and where it is mounted.
    realtime    built in  ubuntu nixos          Isolated CPUs and the right to `SCHED_FIFO`.
    nvidia      built in  ubuntu nixos          The driver and the GPU.
    cuda        built in  ubuntu nixos          The toolkit, cuDNN and TensorRT, pinned package by package.
    models      built in  ubuntu nixos darwin   Weights of models, at one revision, each file with its size and hash.
    release     built in  ubuntu nixos darwin   Programs of one's own, published as archives, each with its size and hash.
    python      built in  ubuntu nixos darwin   Environments of Python.
    vllm        built in  ubuntu nixos          Inference on the GPU.
    mlx         built in  darwin                Inference on Apple silicon.
    gateway     built in  ubuntu nixos darwin   One endpoint for the inference that other hosts ask for.
    trading     built in  ubuntu nixos          The engine, its rights, and when it must not be touched.
    power       built in  ubuntu nixos darwin   Sleep, what happens when power comes back, and the battery that bridges the time.
    monitoring  built in  ubuntu nixos darwin   What it tells Prometheus.
    image       built in  ubuntu nixos          How NixOS comes onto its disk the first time.
    nix         built in  ubuntu nixos darwin   How it gets the system that Nix builds for it. NixOS and macOS.
    extra       built in  ubuntu nixos darwin   Files, packages and units that no concern covers, so that nobody has to fork.
    web         added     ubuntu nixos          A web server for static files.
    ");
    insta::assert_snapshot!(env.run(&["concern", "show", "web"]).out, @"
    web: A web server for static files.
      folder     modules/web (added)
      ubuntu     yes
      nixos      yes
      darwin     no: no Mac of ours serves files
      path       /etc/web.conf

    ## web

    A web server for static files.

    | fact | value | meaning |
    | --- | --- | --- |
    | `port` | 1–65535 | Where it listens. |
    | `root` | an absolute path without `.`, `..`, `//` or trailing `/`, of letters, digits and `._-@+:%=,` | The folder that it serves. |
    | `log` | *optional* one of `debug`, `info` | How much it says. |
    ");
    insta::assert_snapshot!(env.run(&["concern", "show", "wep"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: there is no concern `wep`
      hint: did you mean `web`?
    ");
    let json: Value = serde_json::from_str(&env.run(&["concern", "list", "--json"]).out).unwrap();
    let all = json.as_array().unwrap();
    assert!(
        all.iter()
            .any(|it| it["name"] == "web" && it["from"] == "added")
    );
    let reference = env.run(&["inventory", "--reference"]).out;
    assert!(
        reference.contains("| `port` | 1–65535 | Where it listens. |"),
        "{reference}"
    );
    let schema: Value = serde_json::from_str(&env.run(&["inventory", "--schema"]).out).unwrap();
    assert!(schema["$defs"]["Host"]["properties"]["web"].is_object());
}

#[test]
fn wrong_facts_of_it_are_told_like_those_of_any_other() {
    let env = with_web();
    declare(&env, &json!({ "prot": 8080, "root": "srv", "log": "inof" }));
    insta::assert_snapshot!(env.run(&["inventory", "--check"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: hosts/web/default.nix:1: `web.log` is `inof`; expected one of `debug`, `info`
      hint: did you mean `info`?
    hosts/web/default.nix:1: `web.port` is missing; expected 1–65535
      hint: is `prot` meant to be it?
    hosts/web/default.nix:1: `web.prot` is not a known fact
      hint: did you mean `port`?
    hosts/web/default.nix:1: `web.root` is `srv`; expected an absolute path without `.`, `..`, `//` or trailing `/`, of letters, digits and `._-@+:%=,`
    ");
    declare(&env, &json!(7));
    insta::assert_snapshot!(env.run(&["inventory", "--check"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: hosts/web/default.nix:1: `web` is 7; expected an attribute set
    ");
    let none = TestEnv::from_template();
    declare(&none, &json!({ "port": 8080, "root": "/srv/web" }));
    insta::assert_snapshot!(none.run(&["inventory", "--check"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: hosts/web/default.nix:1: `web` is not a known fact
      hint: known here: description, platform, architecture, tags, connection, os, identity, hardware, system, apt, debs, ssh, secrets, time, network, firewall, storage, kernel, hugepages, realtime, nvidia, cuda, models, release, python, vllm, mlx, gateway, trading, power, monitoring, image, nix, extra
    ");
}

const RULES: &str = r#"[[rule]]
when = "host.hugepages is defined"
holds = "host.web.port != 22"
blames = "web.port"
message = "is {{ host.web.port }}, where sshd listens"

[[rule]]
holds = "host.web.port >= 1024 or host.web.root == '/srv/web'"
blames = "web.port"
message = "is {{ host.web.port }} on `{{ name }}`; only /srv/web may have a port below 1024"
hint = "take {{ host.web.port + 8000 }}"

[[rule]]
holds = "host.web.log in ['info']"
blames = "web.log"
message = "is {{ host.web.log }}"
"#;

#[test]
fn its_rules_say_what_no_schema_can() {
    let env = with_web();
    write(&env, "rules.toml", RULES);
    declare(
        &env,
        &json!({ "port": 8080, "root": "/srv/web", "log": "info" }),
    );
    let said = env.run(&["inventory", "--check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // One that does not hold, and one that reads a fact that is not there.
    declare(&env, &json!({ "port": 80, "root": "/srv/other" }));
    insta::assert_snapshot!(env.run(&["inventory", "--check"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: hosts/web/default.nix:1: `web.log` cannot be judged by the rule at modules/web/rules.toml:14: `host.web.log` is undefined
      hint: a fact that may be missing is asked for by `when`: `host.web is defined`
    hosts/web/default.nix:1: `web.port` is 80 on `web`; only /srv/web may have a port below 1024
      hint: take 8080
    ");
    // What is broken already is not judged.
    declare(&env, &json!({ "port": "80", "root": "/srv/other" }));
    insta::assert_snapshot!(env.run(&["inventory", "--check"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: hosts/web/default.nix:1: `web.port` is the text `80`; expected 1–65535
      hint: write the number without quotes
    ");
}

/// `inventory --check` renders nothing, and still sees what no host could get.
#[test]
fn a_check_of_the_inventory_compiles_the_templates_of_the_repository() {
    let mut shown = String::new();
    for (path, text) in [
        (
            "ubuntu/module.toml",
            "[[file]]\npath = \"/usr/bin/web\"\nsyntax = \"plain\"\n",
        ),
        ("ubuntu/module.toml", "[[file]]\npath = \"/etc/web.conf\"\n"),
        ("ubuntu/etc/web.conf", "listen {{ host.web.\n"),
        ("ubuntu/etc/other.conf", "nobody names it\n"),
    ] {
        let env = with_web();
        let said = env.run(&["inventory", "--check"]);
        assert_eq!(said.code, 0, "{}", said.all());
        write(&env, path, text);
        let said = env.run(&["inventory", "--check"]);
        assert_eq!(said.code, 2, "{path}: {text}");
        let _ = writeln!(shown, "{path}: {text:?}\n{}", said.err);
    }
    insta::assert_snapshot!(shown, @r#"
    ubuntu/module.toml: "[[file]]\npath = \"/usr/bin/web\"\nsyntax = \"plain\"\n"
    error: modules/web/ubuntu/module.toml:2: `/usr/bin/web` is in none of /etc, /opt, /srv, /usr/local, /var/lib
      hint: what is elsewhere belongs to packages, to users or to the kernel; where facts name the whole path, `facts_choose_paths` of module.toml can say why
    modules/web/ubuntu/module.toml:2: there is no template `modules/web/ubuntu/usr/bin/web`

    ubuntu/module.toml: "[[file]]\npath = \"/etc/web.conf\"\n"
    error: modules/web/ubuntu/module.toml:2: a file from a template needs a `syntax`
      hint: it says how values are escaped: `unit`, `sh`, `yaml` …

    ubuntu/etc/web.conf: "listen {{ host.web.\n"
    error: modules/web/ubuntu/etc/web.conf:1: unexpected end of input, expected identifier or integer

    ubuntu/etc/other.conf: "nobody names it\n"
    error: modules/web/ubuntu/etc/other.conf:1: no entry of `module.toml` uses this file
    "#);
}

#[test]
fn the_facts_of_a_typed_concern_stay() {
    let env = TestEnv::from_template();
    let folder = env.repo().join("modules/storage");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("concern.toml"), MANIFEST).unwrap();
    std::fs::write(folder.join("facts.schema.json"), SCHEMA).unwrap();
    insta::assert_snapshot!(env.run(&["plan"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: modules/storage/facts.schema.json:1: the facts of `storage` have a type in deployctl
      hint: remove the file; another concern takes another name
    ");
}
