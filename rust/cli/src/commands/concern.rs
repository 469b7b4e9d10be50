//! `deployctl concern`: what hosts can declare, and from where it comes.

mod test;

use std::fmt::Write as _;

use deployctl_core::concern::{Concern, Concerns, Folders, Origin, scaffold};
use deployctl_core::inventory::{Platform, reference_of, suggest};
use deployctl_core::name::ConcernName;
use deployctl_core::render::TemplateSet;
use deployctl_engine::modules;
use deployctl_report::Verdict;
use serde_json::{Value, json};

use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Concern) -> Result<Verdict, Failure> {
    match args {
        args::Concern::List => list(context, &context.concerns()?),
        args::Concern::Show(args) => {
            let folders = context.folders()?;
            let concerns = Concerns::read(&folders, &deployctl_checks::judges())?;
            let concern = concerns
                .get(&args.name)
                .ok_or_else(|| unknown(&args.name, &folders))?;
            let templates = TemplateSet::of(&folders)?;
            show(context, concern, &templates);
        }
        args::Concern::New(args) => new(context, args)?,
        args::Concern::Test(args) => return test::run(context, args).await,
    }
    Ok(Verdict::Done)
}

fn unknown(name: &str, folders: &Folders) -> Failure {
    let failure = Failure::usage(format!("there is no concern `{name}`"));
    let known = folders.iter().map(|(name, _)| name);
    match suggest::hint(name, "concerns", known) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn list(context: &Context, concerns: &Concerns) {
    if context.ui.json {
        Ui::print_json(&concerns.iter().map(json_of).collect::<Vec<_>>());
        return;
    }
    let width = concerns
        .iter()
        .map(|it| it.name.as_str().len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for concern in concerns {
        let _ = writeln!(
            text,
            "{:width$}  {:<8}  {:<20}  {}",
            concern.name,
            origin(concern.origin),
            platforms(concern).join(" "),
            concern.manifest.summary,
        );
    }
    context.ui.print(&text);
}

fn show(context: &Context, concern: &Concern, templates: &TemplateSet) {
    let paths: Vec<String> = templates.paths(&concern.name).map(str::to_owned).collect();
    if context.ui.json {
        let mut value = json_of(concern);
        value["ubuntu_paths"] = json!(paths);
        value["facts"] = json!(concern.facts);
        Ui::print_json(&value);
        return;
    }
    let mut text = format!(
        "{}: {}\n  folder     {} ({})\n",
        concern.name,
        concern.manifest.summary,
        concern.place,
        origin(concern.origin)
    );
    for platform in Platform::ALL {
        let told = match concern.manifest.unavailable(platform) {
            Some(reason) => format!("no: {reason}"),
            None => match concern.manifest.checked_only.get(&platform) {
                Some(reason) => format!("checked only: {reason}"),
                None => "yes".to_owned(),
            },
        };
        let _ = writeln!(text, "  {:<9}  {told}", platform.as_str());
    }
    for unit in &concern.manifest.units {
        let told = unit.told().replace('`', "");
        let _ = writeln!(text, "  unit       {told} on {}", unit.platform);
    }
    for path in &paths {
        let _ = writeln!(text, "  path       {path}");
    }
    let _ = write!(text, "{}", reference_of(concern));
    context.ui.print(&text);
}

fn json_of(concern: &Concern) -> Value {
    json!({
        "name": concern.name,
        "from": origin(concern.origin),
        "folder": concern.place,
        "platforms": platforms(concern),
        "summary": concern.manifest.summary,
    })
}

fn platforms(concern: &Concern) -> Vec<&'static str> {
    let all = Platform::ALL.into_iter();
    all.filter(|platform| concern.is_for(*platform))
        .map(Platform::as_str)
        .collect()
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::BuiltIn => "built in",
        Origin::Repository => "added",
        Origin::Replaced => "replaced",
    }
}

/// Writes the folder of a new concern.
fn new(context: &Context, args: &args::ConcernNew) -> Result<(), Failure> {
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
