//! Test machines by hand: `deployctl-machines up 2` boots two, prints how to reach them as JSON,
//! and removes them when its standard input ends (Ctrl-D).

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use deployctl_e2e::{Base, Machine, MachineSpec, World};
use serde_json::{Value, json};

const USAGE: &str = "usage: deployctl-machines up COUNT [plain|python|nix]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (count, base) = match arguments[..] {
        ["up", count] | ["up", count, "plain"] => (count, Base::Plain),
        ["up", count, "python"] => (count, Base::Python),
        ["up", count, "nix"] => (count, Base::Nix),
        _ => return fail(USAGE),
    };
    // Addresses end in 10 and up, in a network of 254.
    match count.parse() {
        Ok(count @ 1..=200) => match up(count, base) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("error: {error:?}")),
        },
        _ => fail(&format!(
            "error: `{count}` is not a number of machines from 1 to 200\n{USAGE}"
        )),
    }
}

fn up(count: u8, base: Base) -> Result<()> {
    let world = World::new()?;
    let specs: Vec<_> = (1..=count)
        .map(|number| MachineSpec::new(&format!("m{number}")).base(base))
        .collect();
    let machines = world.boot_all(&specs)?;
    let text = serde_json::to_string_pretty(&describe(&world, &machines))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").context("failed to print")?;
    stdout.flush()?;
    // Whatever comes is not read; the end is what counts.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn describe(world: &World, machines: &[Machine]) -> Value {
    let machines: Vec<_> = machines
        .iter()
        .map(|machine| {
            let ssh = machine.ssh_access();
            json!({
                "name": machine.name(),
                "address": ssh.address,
                "port": ssh.port,
                "key": ssh.key,
                "host_key": ssh.host_key,
                "console": machine.root().with_file_name("console"),
            })
        })
        .collect();
    json!({
        "netns": world.ns(),
        "home": world.home(),
        "users": ["root", "operator"],
        "machines": machines,
    })
}

fn fail(message: &str) -> ExitCode {
    // Nothing is left to tell it to when standard error is closed.
    drop(writeln!(std::io::stderr(), "{message}"));
    ExitCode::FAILURE
}
