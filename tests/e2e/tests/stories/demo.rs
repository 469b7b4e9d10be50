//! What the stories deploy: two small services that tell when they were started, some files, and
//! kernel settings that a container may change.

use serde_json::{Value, json};

/// A service that runs for ever and counts its starts in `/run/<name>.starts`.
pub(crate) fn service(name: &str) -> String {
    format!(
        "[Unit]\nDescription=story service {name}\n\n[Service]\n\
         ExecStartPre=/bin/sh -c 'echo start >>/run/{name}.starts'\n\
         ExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// A file of the `extra` concern, readable by all.
pub(crate) fn file(path: &str, content: &str) -> Value {
    json!({ "path": path, "mode": "0644", "owner": "root", "group": "root", "content": content })
}

/// A unit of the `extra` concern that should run, restarted when one of `restart_on` changes.
pub(crate) fn unit(restart_on: &[&str]) -> Value {
    json!({ "enabled": true, "running": true, "restart_on": restart_on })
}

/// Services `alpha` and `beta`, each with its configuration, and a file nobody watches.
pub(crate) fn extra() -> Value {
    json!({
        "files": [
            file("/etc/alpha.conf", "colour = red\n"),
            file("/etc/beta.conf", "size = 1\n"),
            file("/etc/story/notes.txt", "first\n"),
            file("/etc/systemd/system/alpha.service", &service("alpha")),
            file("/etc/systemd/system/beta.service", &service("beta")),
        ],
        "packages": {},
        "units": {
            "alpha.service": unit(&["/etc/alpha.conf", "/etc/systemd/system/alpha.service"]),
            "beta.service": unit(&["/etc/beta.conf", "/etc/systemd/system/beta.service"]),
        },
    })
}

/// Puts a file into the `extra` concern, in the place of the one at the same path.
pub(crate) fn set_file(facts: &mut Value, path: &str, content: &str) {
    let files = facts["extra"]["files"]
        .as_array_mut()
        .expect("extra has files");
    files.retain(|file| file["path"] != path);
    files.push(file(path, content));
}

/// Network settings of the kernel, which every machine has to itself.
pub(crate) fn network(somaxconn: &str) -> Value {
    json!({ "interfaces": {}, "sysctl": { "net.core.somaxconn": somaxconn } })
}
