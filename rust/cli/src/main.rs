//! Declares, deploys and verifies a handful of unlike machines.

mod args;
mod commands;
mod context;
mod env_vars;
mod failure;
mod moment;
mod progress;
mod show;
mod ui;

fn main() -> std::process::ExitCode {
    commands::main()
}
