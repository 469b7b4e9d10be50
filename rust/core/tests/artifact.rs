//! Artifacts from their declaration to what a host is sent, and what it answers.
#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

use deployctl_core::artifact::{Collection, Job, read_freed};
use deployctl_core::concern::Folders;
use deployctl_core::inventory::Platform;
use deployctl_core::name::{HostName, ManagedPath};
use deployctl_core::observed::{ObserveScope, queries};
use deployctl_core::render::{Facts, Rendering, TemplateSet, render};
use deployctl_core::rendered::Rendered;
use serde_json::{Value, json};

const HASH: &str = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";

const MODULE: &str = r#"
[[artifact]]
each = "host.weights.all"
kind = "model"
name = "{{ key }}"
base = "{{ item.base | default('/srv/models/' ~ key) }}"
source = "{{ item.source }}"
files = "item.files"
credential = "{{ item.credential | default('') }}"
min_free_gib = "host.weights.guards"
keep = "{{ item.keep | default('') }}"
programs = "item.programs | default(['python3', '/usr/bin/git'])"
after = "item.after | default(['/etc/deployctl/sealed/hub.age'])"

[[unit]]
name = "reader.service"
running = true
watch_each = "host.weights.watched"
"#;

/// What the host makes by itself of the files of [`MODULE`].
const BUILD: &str = r#"
[artifact.build]
program = "maker"
inputs = "item.inputs | default({'plan.txt': 'one\ntwo\n'})"
variables = "item.variables | default({'word': \"it's\"})"
secrets = "{'reader of index.example': item.secret | default('/etc/deployctl/secrets/index')}"
"#;

/// Renders a host whose `weights.all` are these.
fn attempt(all: &Value, watched: &Value) -> Result<Rendered, String> {
    attempt_with(MODULE.to_owned(), &[], all, watched)
}

/// The same, where the host makes them.
fn attempt_made(all: &Value) -> Result<Rendered, String> {
    let module = MODULE.replace("\n[[unit]]", &format!("{BUILD}\n[[unit]]"));
    // It is no template.
    let program = "echo \"${#word} {{ word }} {% word %}\"\n";
    attempt_with(module, &[("maker/build.sh", program)], all, &json!([]))
}

fn attempt_with(
    module: String,
    program: &[(&str, &str)],
    all: &Value,
    watched: &Value,
) -> Result<Rendered, String> {
    let program = program
        .iter()
        .map(|(name, text)| (format!("weights/ubuntu/{name}"), (*text).to_owned()));
    let files = [("weights/ubuntu/module.toml".to_owned(), module)];
    let files = files.into_iter().chain(program);
    let folders = Folders::default().with("modules", files.collect());
    let set = TemplateSet::of(&folders).map_err(|error| error.to_string())?;
    let guards = json!({ "/": 5, "/srv/models": 20, "/data": 3 });
    let inventory = json!({
        "version": 1,
        "cluster": {},
        "hosts": { "box": {
            "platform": "ubuntu",
            "weights": { "all": all, "guards": guards, "watched": watched },
        }},
    });
    let host = HostName::new("box").expect("a name");
    match render(&Facts::from_inventory(&inventory), &host, &set) {
        Ok(Rendering::Files(rendered)) => Ok(*rendered),
        Ok(Rendering::NeedsClosure { beside, .. }) => Ok(*beside),
        Err(errors) => Err(errors.to_string()),
    }
}

fn file(path: &str, size: &Value, sha256: &str) -> Value {
    json!({ "path": path, "size": size, "sha256": sha256 })
}

fn tiny() -> Value {
    json!({ "tiny": {
        "source": "https://hub.example/lab/tiny/resolve/0123",
        "credential": "/etc/deployctl/secrets/hub",
        "files": [file("model-00001.bin", &json!(40_000_000_000_u64), HASH), file("a/config.json", &json!(3), HASH)],
    }})
}

#[test]
fn a_declaration_becomes_a_link_a_watched_path_and_a_job() {
    let rendered = attempt(&tiny(), &json!(["/srv/models/tiny/current"])).expect("sound");
    insta::assert_json_snapshot!("a_rendered_artifact", rendered);
    let stored: Rendered =
        serde_json::from_value(serde_json::to_value(&rendered).expect("JSON")).expect("the same");
    // What only staging reads is not kept.
    let mut kept = rendered.artifacts.clone();
    for artifact in kept.values_mut() {
        artifact.programs.clear();
        artifact.after.clear();
    }
    assert_eq!(stored.artifacts, kept);
    let (base, artifact) = rendered.artifacts.first_key_value().expect("one");
    let job = Job::new(base, artifact);
    let wanted = String::from_utf8_lossy(job.bundle().file("wanted").expect("there")).into_owned();
    let gc = Collection::new(&rendered);
    let declared =
        String::from_utf8_lossy(gc.bundle().file("declared").expect("there")).into_owned();
    let told = format!(
        "{}{}{wanted}{}{declared}",
        job.start(),
        job.status(),
        gc.run(true)
    );
    insta::assert_snapshot!(told, @"
    sh /var/lib/deployctl/artifacts/810f73112eed6544/stage.sh start
    sh /var/lib/deployctl/artifacts/810f73112eed6544/stage.sh status
    kind model
    name tiny
    base /srv/models/tiny
    digest 774588b3828bdaa4d2ca5fe62cd89818d58022e448e4a5fe0fe2e9c1022b3183
    url https://hub.example/lab/tiny/resolve/0123
    credential /etc/deployctl/secrets/hub
    min_free 20 /srv/models
    total 40000000003
    file ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356 3 a/config.json
    file ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356 40000000000 model-00001.bin
    sh /var/lib/deployctl/artifacts/gc/stage.sh gc --yes
    /srv/models/tiny 774588b3828bdaa4d2ca5fe62cd89818d58022e448e4a5fe0fe2e9c1022b3183 2
    ");
}

#[test]
fn what_staging_needs_is_asked_of_the_host() {
    let rendered = attempt_made(&tiny()).expect("sound");
    let scope = ObserveScope {
        rendered: &rendered,
        sandbox: false,
        timezones: &[],
    };
    let queries = queries(&scope);
    let asked = queries.iter().find(|query| query.id == "artifacts");
    let asked = &asked.expect("it is asked").command;
    let lines = asked.lines().skip_while(|line| *line != "}").skip(1);
    insta::assert_snapshot!(lines.skip(1).collect::<Vec<_>>().join("\n"), @r"
    [ -s '/etc/deployctl/secrets/hub' ] || echo lacks '/srv/models/tiny' 0
    [ -s '/etc/deployctl/secrets/index' ] || echo lacks '/srv/models/tiny' 1
    [ -e '/etc/ssl/certs/ca-certificates.crt' ] || echo lacks '/srv/models/tiny' 2
    [ -e '/usr/bin/git' ] || echo lacks '/srv/models/tiny' 3
    command -v 'curl' >/dev/null || echo lacks '/srv/models/tiny' 4
    command -v 'python3' >/dev/null || echo lacks '/srv/models/tiny' 5
    mountpoint -q '/srv/models' || echo lacks '/srv/models/tiny' 6
    ");
    let (base, artifact) = rendered.artifacts.first_key_value().expect("one");
    let needs = |platform| {
        let needs = artifact.needs(base, platform);
        let words: Vec<String> = needs.iter().map(ToString::to_string).collect();
        words.join(", ")
    };
    insta::assert_snapshot!(needs(Platform::Ubuntu), @"`/etc/deployctl/secrets/hub`, `/etc/deployctl/secrets/index`, `/etc/ssl/certs/ca-certificates.crt`, `/usr/bin/git`, `curl`, `python3`, `/srv/models` mounted");
    assert_eq!(needs(Platform::Nixos), needs(Platform::Ubuntu));
    insta::assert_snapshot!(needs(Platform::Darwin), @"`/etc/deployctl/secrets/hub`, `/etc/deployctl/secrets/index`, `/etc/ssl/certs/ca-certificates.crt`, `/usr/bin/git`, `curl`, `python3`, GNU's `find` and `stat`, `flock` and `sha256sum`, `/srv/models` mounted");
}

#[test]
fn what_the_controller_sends_needs_nothing_of_the_host() {
    let mut sent = tiny();
    sent["tiny"]["source"] = json!("upload:weights/tiny");
    sent["tiny"]["credential"] = json!("");
    sent["tiny"]["programs"] = json!([]);
    sent["tiny"]["base"] = json!("/opt/tiny");
    let rendered = attempt(&sent, &json!([])).expect("sound");
    let (base, artifact) = rendered.artifacts.first_key_value().expect("one");
    assert_eq!(artifact.needs(base, Platform::Ubuntu), [].into());
    let kept: String = serde_json::to_string(&artifact.source).expect("JSON");
    assert_eq!(kept, "\"upload:weights/tiny\"");
    assert_eq!(
        serde_json::from_str(&kept).ok(),
        Some(artifact.source.clone())
    );
    let job = Job::new(base, artifact);
    let wanted = String::from_utf8_lossy(job.bundle().file("wanted").expect("there")).into_owned();
    assert!(wanted.contains("\nupload weights/tiny\n"), "{wanted}");
    let directory = job.directory();
    assert_eq!(
        job.receive(),
        format!("exec sh {directory}/stage.sh receive")
    );
}

#[test]
fn what_the_controller_sends_is_below_the_repository() {
    for folder in ["../weights", "weights/../../x", "/srv/weights", "", "a b"] {
        let mut sent = tiny();
        sent["tiny"]["source"] = json!(format!("upload:{folder}"));
        let errors = attempt(&sent, &json!([])).expect_err(folder);
        let says = format!("`source`: `{folder}` is no path below the repository");
        assert!(errors.contains(&says), "{errors}");
    }
}

#[test]
fn the_digest_is_that_of_the_files_alone() {
    let digest = |all: &Value| {
        let rendered = attempt(all, &json!([])).expect("sound");
        let artifact = rendered.artifacts.into_values().next().expect("one");
        artifact.digest
    };
    let mut elsewhere = tiny();
    elsewhere["tiny"]["source"] = json!("/srv/incoming");
    elsewhere["tiny"]["base"] = json!("/opt/tiny");
    assert_eq!(digest(&tiny()), digest(&elsewhere));
    for (key, value) in [("size", json!(4)), ("path", json!("config.json"))] {
        let mut other = tiny();
        other["tiny"]["files"][1][key] = value;
        assert_ne!(digest(&tiny()), digest(&other), "{key}");
    }
}

#[test]
fn what_a_host_makes_is_sent_with_its_program() {
    let rendered = attempt_made(&tiny()).expect("sound");
    let (base, artifact) = rendered.artifacts.first_key_value().expect("one");
    let bundle = Job::new(base, artifact).bundle();
    let told: Vec<String> = bundle
        .files
        .iter()
        .filter(|file| file.name != "stage.sh")
        .map(|file| format!("== {}\n{}", file.name, String::from_utf8_lossy(&file.bytes)))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    == wanted
    kind model
    name tiny
    base /srv/models/tiny
    digest 0a61a41a555c908608a7b70a01a792018be2514221f9378a374a9eb8fb1bd6c0
    url https://hub.example/lab/tiny/resolve/0123
    credential /etc/deployctl/secrets/hub
    min_free 20 /srv/models
    build yes
    secret /etc/deployctl/secrets/index reader of index.example
    total 40000000003
    file ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356 3 a/config.json
    file ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356 40000000000 model-00001.bin

    == program/build.sh
    echo "${#word} {{ word }} {% word %}"

    == inputs/plan.txt
    one
    two

    == variables
    word='it'\''s'
    "#);
}

#[test]
fn what_a_host_makes_is_named_by_all_that_goes_into_it() {
    let digest = |change: Value| {
        let mut all = tiny();
        for (key, value) in change.as_object().expect("a map") {
            all["tiny"][key] = value.clone();
        }
        let rendered = attempt_made(&all).expect("sound");
        let artifact = rendered.artifacts.into_values().next().expect("one");
        artifact.digest
    };
    let plain = digest(json!({}));
    let others = [
        json!({ "inputs": { "plan.txt": "one\n" } }),
        json!({ "inputs": { "plan": "one\ntwo\n" } }),
        json!({ "variables": { "word": "its" } }),
        json!({ "files": [file("a", &json!(1), HASH)] }),
    ];
    for other in others {
        assert_ne!(plain, digest(other.clone()), "{other}");
    }
    let elsewhere = json!({ "secret": "/etc/deployctl/secrets/other", "source": "/srv/incoming" });
    assert_eq!(plain, digest(elsewhere));
    let files = attempt(&tiny(), &json!([])).expect("sound");
    assert_ne!(
        plain,
        files.artifacts.into_values().next().expect("one").digest
    );
}

#[test]
fn what_cannot_be_made_safely_is_rejected() {
    let cases = [
        json!({ "inputs": { "a/b": "x" } }),
        json!({ "inputs": { "../b": "x" } }),
        json!({ "inputs": { "a": 5 } }),
        json!({ "inputs": "a" }),
        json!({ "variables": { "PATH": "/tmp" } }),
        json!({ "variables": { "a b": "x" } }),
        json!({ "secret": "index" }),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|change| {
            let mut all = tiny();
            for (key, value) in change.as_object().expect("a map") {
                all["tiny"][key] = value.clone();
            }
            let errors = attempt_made(&all).expect_err("rejected");
            format!("{change}\n  {errors}")
        })
        .collect();
    let module = MODULE.replace("\n[[unit]]", &format!("{BUILD}\n[[unit]]"));
    let missing = attempt_with(module, &[], &tiny(), &json!([])).expect_err("no program");
    insta::assert_snapshot!(format!("{}\n{missing}", told.join("\n")), @r#"
    {"inputs":{"a/b":"x"}}
      modules/weights/ubuntu/module.toml:17: host `box`: `inputs`: `a/b` is in a folder
    {"inputs":{"../b":"x"}}
      modules/weights/ubuntu/module.toml:17: host `box`: `inputs`: `../b` is in a folder
    {"inputs":{"a":5}}
      modules/weights/ubuntu/module.toml:17: host `box`: `inputs`: the value of `a` is no text
    {"inputs":"a"}
      modules/weights/ubuntu/module.toml:17: host `box`: `inputs`: a string is no map
    {"variables":{"PATH":"/tmp"}}
      modules/weights/ubuntu/module.toml:18: host `box`: `variables`: `PATH` is no lower-case name of a variable
    {"variables":{"a b":"x"}}
      modules/weights/ubuntu/module.toml:18: host `box`: `variables`: `a b` is no lower-case name of a variable
    {"secret":"index"}
      modules/weights/ubuntu/module.toml:19: host `box`: `secrets`: `index` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    modules/weights/ubuntu/module.toml:16: there is no template `modules/weights/ubuntu/maker/build.sh`
    "#);
}

#[test]
fn another_source_is_another_job() {
    let rendered = attempt(&tiny(), &json!([])).expect("sound");
    let (base, artifact) = rendered.artifacts.first_key_value().expect("one");
    let mut other = artifact.clone();
    other.credential = None;
    assert_ne!(
        Job::new(base, artifact).directory(),
        Job::new(base, &other).directory()
    );
    let elsewhere = ManagedPath::new("/data/tiny").expect("a path");
    assert_ne!(
        Job::new(base, artifact).directory(),
        Job::new(&elsewhere, artifact).directory()
    );
}

#[test]
fn what_cannot_be_fetched_safely_is_rejected() {
    let cases = [
        ("no files", json!({ "files": [] })),
        ("no list", json!({ "files": 5 })),
        ("up", json!({ "files": [file("../x", &json!(1), HASH)] })),
        (
            "absolute",
            json!({ "files": [file("/etc/passwd", &json!(1), HASH)] }),
        ),
        ("blank", json!({ "files": [file("a b", &json!(1), HASH)] })),
        (
            "below a file",
            json!({ "files": [file("a", &json!(1), HASH), file("a/b", &json!(1), HASH)] }),
        ),
        (
            "twice",
            json!({ "files": [file("a", &json!(1), HASH), file("a", &json!(2), HASH)] }),
        ),
        ("size", json!({ "files": [file("a", &json!(-1), HASH)] })),
        ("hash", json!({ "files": [file("a", &json!(1), "abc")] })),
        ("no hash", json!({ "files": [{ "path": "a", "size": 1 }] })),
        ("http", json!({ "source": "http://hub.example" })),
        (
            "login",
            json!({ "source": "https://me:secret@hub.example/x" }),
        ),
        (
            "query",
            json!({ "source": "https://hub.example/x?token=1" }),
        ),
        ("relative", json!({ "source": "incoming" })),
        ("base", json!({ "base": "/var/lib/deployctl/x" })),
        ("keep", json!({ "keep": "0" })),
        ("credential", json!({ "credential": "hub" })),
        ("programs", json!({ "programs": "python3" })),
        ("a program", json!({ "programs": ["rm -rf"] })),
        ("after", json!({ "after": ["sealed"] })),
        ("name", json!({})),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|(case, change)| {
            let mut all = tiny();
            if case == "name" {
                let tiny = all["tiny"].take();
                all = json!({ "Tiny": tiny });
            }
            for (key, value) in change.as_object().expect("a map") {
                all["tiny"][key] = value.clone();
            }
            let errors = attempt(&all, &json!([])).expect_err(case);
            format!("{case}: {errors}")
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    no files: modules/weights/ubuntu/module.toml:8: host `box`: `files`: there are no files
    no list: modules/weights/ubuntu/module.toml:8: host `box`: `files`: a number is no list of files
    up: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: `../x` is not a valid path below a release: relative, normalised (no `.`, `..` or `//`), of letters, digits and `/._-+=@,`, at most 512, no name beginning with `.deployctl`
    absolute: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: `/etc/passwd` is not a valid path below a release: relative, normalised (no `.`, `..` or `//`), of letters, digits and `/._-+=@,`, at most 512, no name beginning with `.deployctl`
    blank: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: `a b` is not a valid path below a release: relative, normalised (no `.`, `..` or `//`), of letters, digits and `/._-+=@,`, at most 512, no name beginning with `.deployctl`
    below a file: modules/weights/ubuntu/module.toml:8: host `box`: `files`: `a/b` is below the file `a`
    twice: modules/weights/ubuntu/module.toml:8: host `box`: `files`: `a` is there twice
    size: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: the size of `a` is no number of bytes
    hash: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: the sha256 of `a` is not 64 lower-case hexadecimal digits
    no hash: modules/weights/ubuntu/module.toml:8: host `box`: `files`: file 1: it has no `sha256`
    http: modules/weights/ubuntu/module.toml:7: host `box`: `source`: `http://hub.example` is neither a URL that begins with `https://` nor the absolute path of a directory, nor `upload:` and a path below the repository
    login: modules/weights/ubuntu/module.toml:7: host `box`: `source`: the URL has a login or a query, which plans would show; name a file with a token instead
    query: modules/weights/ubuntu/module.toml:7: host `box`: `source`: the URL has a login or a query, which plans would show; name a file with a token instead
    relative: modules/weights/ubuntu/module.toml:7: host `box`: `source`: `incoming` is neither a URL that begins with `https://` nor the absolute path of a directory, nor `upload:` and a path below the repository
    base: modules/weights/ubuntu/module.toml:6: host `box`: `/var/lib/deployctl/x/current` is below `/var/lib/deployctl`, where nothing can be managed
    keep: modules/weights/ubuntu/module.toml:11: host `box`: `keep`: is not from 1 to 16
    credential: modules/weights/ubuntu/module.toml:9: host `box`: `credential`: `hub` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    programs: modules/weights/ubuntu/module.toml:12: host `box`: `programs`: a string is no list
    a program: modules/weights/ubuntu/module.toml:12: host `box`: `programs`: `rm -rf` is no path and no name of a program
    after: modules/weights/ubuntu/module.toml:13: host `box`: `after`: `sealed` is not a valid managed path: absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`
    name: modules/weights/ubuntu/module.toml:5: host `box`: `name`: `Tiny` is not a valid artifact name: lower-case letters, digits and inner `._-`, at most 64
    ");
    let two = json!({ "a": tiny()["tiny"], "b": tiny()["tiny"] });
    let mut same = two.clone();
    same["b"]["base"] = json!("/srv/models/a");
    assert!(attempt(&two, &json!([])).is_ok());
    insta::assert_snapshot!(attempt(&same, &json!([])).expect_err("one folder for two"), @"
    modules/weights/ubuntu/module.toml:6: host `box`: `/srv/models/a/current` is written by modules/weights/ubuntu/module.toml:6 already
    modules/weights/ubuntu/module.toml:6: host `box`: artifact `model b` is declared by modules/weights/ubuntu/module.toml:6 already
    ");
}

#[test]
fn what_gc_says_is_read_or_is_an_error() {
    let text = "deployctl-gc 1\ncurrent 20 /srv/a/releases/1\nfree 8 /srv/a/releases/2\nbegun 5 /srv/a/releases/3.part\nstuck 1 /srv/\u{1b}x\nend\n";
    insta::assert_debug_snapshot!(read_freed(text.as_bytes()), @r#"
    Ok(
        [
            Freed {
                path: "/srv/a/releases/1",
                bytes: 20480,
                kept: Some(
                    "in use",
                ),
            },
            Freed {
                path: "/srv/a/releases/2",
                bytes: 8192,
                kept: None,
            },
            Freed {
                path: "/srv/a/releases/3.part",
                bytes: 5120,
                kept: Some(
                    "declared, and not whole yet",
                ),
            },
            Freed {
                path: "/srv/",
                bytes: 1024,
                kept: Some(
                    "cannot be removed",
                ),
            },
        ],
    )
    "#);
    for cut in 0..text.len() - 1 {
        assert!(read_freed(&text.as_bytes()[..cut]).is_err(), "{cut}");
    }
    let denied = read_freed(b"deployctl-gc 1\ndenied an apply is open\n");
    assert_eq!(denied.expect_err("denied").to_string(), "an apply is open");
}
