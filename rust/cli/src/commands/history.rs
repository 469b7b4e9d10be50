//! `deployctl history HOST`

use std::fmt::Write as _;

use deployctl_core::report::Verdict;
use deployctl_engine::history::{self, Generation};

use super::trouble;
use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
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
            Some(system) => system.name().to_owned(),
            None => format!(
                "{} files, {} packages, {} units, {} sysctls",
                generation.files, generation.packages, generation.units, generation.sysctls
            ),
        };
        let _ = writeln!(
            text,
            "{mark} {:>4}  {}  {}  {what}  {}",
            generation.generation,
            when(generation.started_at),
            generation.holder,
            Tone::Dim.of(&generation.apply),
        );
    }
    text
}

/// Seconds since 1970 as a UTC date and time; days to date by the civil-from-days algorithm.
fn when(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use deployctl_core::closure::StorePath;
    use deployctl_engine::history::Generation;

    use super::{table, when};

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
        };
        let text = table(&[generation(None), generation(Some(path))]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("  2 files, 0 packages, 1 units, 0 sysctls  "));
        assert!(lines[1].starts_with('*') && lines[1].contains("  nixos-system-box-26.05  "));
    }

    #[test]
    fn dates_are_right_at_the_edges() {
        assert_eq!(when(0), "1970-01-01 00:00:00Z");
        assert_eq!(when(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(when(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(when(1_795_392_000), "2026-11-23 00:00:00Z");
        assert_eq!(when(4_102_444_800), "2100-01-01 00:00:00Z");
    }
}
