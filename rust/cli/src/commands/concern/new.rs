//! `deployctl concern new`

use std::fmt::Write as _;

use deployctl_core::concern::scaffold;
use deployctl_core::name::ConcernName;
use deployctl_engine::modules;
use deployctl_report::Verdict;
use serde_json::json;

use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) fn run(context: &Context, args: &args::ConcernNew) -> Result<(), Failure> {
    let top = context.repo()?;
    let name =
        ConcernName::new(args.name.clone()).map_err(|error| Failure::of(Verdict::Usage, &error))?;
    let files = scaffold(&name).map_err(|error| {
        let hint = error.hint.clone();
        Failure::of(Verdict::Usage, &error).hint(hint)
    })?;
    modules::add(&top, name.as_str(), &files)
        .map_err(|error| Failure::of(Verdict::Usage, &error))?;
    if context.ui.json {
        let paths: Vec<&String> = files.keys().collect();
        Ui::print_json(&json!({
            "name": name,
            "folder": format!("modules/{name}"),
            "files": paths,
        }));
        return Ok(());
    }
    let mut text = format!("wrote modules/{name}\n");
    for path in files.keys() {
        let _ = writeln!(text, "  {path}");
    }
    context.ui.print(&text);
    context.ui.say(&format!(
        "next: `deployctl concern test {name}` tries it; a host declares it by `{name} = {{ … }};`, and Nix sees it after `git add modules/{name}`"
    ));
    Ok(())
}
