//! `deployctl history HOST`

use std::fmt::Write as _;

use deployctl_engine::history::{self, Generation};
use deployctl_report::Verdict;

use super::trouble;
use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::moment::when;
use crate::ui::{Tone, Ui};

pub(super) async fn run(context: &Context, args: &args::History) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let host = one_host(&inventory, &args.host)?;
    let transport = context.connector(&inventory)?.connect(&host).await?;
    let generations = history::generations(transport.as_ref())
        .await
        .map_err(trouble)?;
    if context.ui.json {
        Ui::print_json(&generations);
    } else if generations.is_empty() {
        context.ui.say(&format!("{host}: nothing was applied yet"));
    } else {
        context.ui.print(&table(&generations));
    }
    Ok(Verdict::Done)
}

fn table(generations: &[Generation]) -> String {
    let mut text = String::new();
    for generation in generations {
        let mark = if generation.current { "*" } else { " " };
        let what = match &generation.system {
            Some(system) if generation.files == 0 => system.name().to_owned(),
            Some(system) => format!("{} and {} files", system.name(), generation.files),
            None => format!(
                "{} files, {} packages, {} units, {} sysctls",
                generation.files, generation.packages, generation.units, generation.sysctls
            ),
        };
        let same = generation.same_as;
        let same = same.map_or_else(String::new, |earlier| format!(", as generation {earlier}"));
        let _ = writeln!(
            text,
            "{mark} {:>4}  {}  {}  {what}{same}  {}",
            generation.generation,
            when(generation.started_at),
            generation.holder,
            Tone::Dim.of(&generation.apply),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use deployctl_core::closure::StorePath;
    use deployctl_engine::history::Generation;

    use super::table;

    #[test]
    fn a_generation_is_its_system_or_what_it_changed() {
        let path = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05";
        let generation = |system: Option<&str>| Generation {
            generation: 3,
            apply: "a1".to_owned(),
            plan: "p1".to_owned(),
            holder: "ann@laptop".to_owned(),
            started_at: 0,
            files: 2,
            packages: 0,
            units: 1,
            sysctls: 0,
            system: system.map(|path| StorePath::new(path).unwrap()),
            current: system.is_some(),
            same_as: system.is_some().then_some(1),
        };
        let text = table(&[generation(None), generation(Some(path))]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("  2 files, 0 packages, 1 units, 0 sysctls  "));
        assert!(
            lines[1].starts_with('*')
                && lines[1].contains("  nixos-system-box-26.05 and 2 files, as generation 1  ")
        );
    }
}
