//! `deployctl kernel`: a host's own kernel, from its facts to packages.

use std::fmt::Write as _;
use std::path::Path;

use deployctl_core::inventory::kernel::Flavour;
use deployctl_core::inventory::{FactPath, Host, Inventory};
use deployctl_core::kernel::{Verdict as Symbols, fragment, wanted};
use deployctl_core::name::HostName;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::kernel::{self, Configured, KernelError, Machine, Package, Request, Step};
use deployctl_engine::process::ProcessError;
use deployctl_report::Verdict;

use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Kernel) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    match args {
        args::Kernel::Fragment(args) => print_fragment(context, &inventory, &args.host),
        args::Kernel::Config(args) => {
            let chosen = Chosen::new(&inventory, args)?;
            let configured = kernel::configure(
                &chosen.request(args, 1, &context.interrupt)?,
                &tell(context),
            )
            .await
            .map_err(|error| chosen.failure(&error))?;
            chosen.show(context, &configured, None);
            Ok(Verdict::Done)
        }
        args::Kernel::Build(args) => {
            let chosen = Chosen::new(&inventory, &args.source)?;
            chosen.is_custom()?;
            let request = chosen.request(&args.source, args.revision, &context.interrupt)?;
            let (configured, packages) = kernel::build(&request, &tell(context))
                .await
                .map_err(|error| chosen.failure(&error))?;
            let report = chosen.report(&configured, Some(&packages));
            write(&args.source.out.join("kernel.json"), &report)?;
            let declaration = kernel::declaration(&configured.release, &packages);
            write(&args.source.out.join("packages.json"), &declaration)?;
            chosen.show(context, &configured, Some(&packages));
            Ok(Verdict::Done)
        }
    }
}

fn write(path: &Path, content: &serde_json::Value) -> Result<(), Failure> {
    std::fs::write(path, format!("{content:#}\n")).map_err(|error| {
        let message = format!("cannot write `{}`", path.display());
        Failure::new(Verdict::Internal, message).cause(&error)
    })
}

fn print_fragment(
    context: &Context,
    inventory: &Inventory,
    word: &str,
) -> Result<Verdict, Failure> {
    let name = one_host(inventory, word)?;
    let host = inventory.host(&name).expect("selected from it");
    let facts = facts(&name, host)?;
    if context.ui.json {
        let symbols: serde_json::Map<_, _> = wanted(facts)
            .into_iter()
            .map(|wanted| (wanted.symbol, wanted.value.to_string().into()))
            .collect();
        Ui::print_json(&symbols);
    } else {
        context.ui.print(&fragment(facts));
    }
    Ok(Verdict::Done)
}

fn facts<'a>(
    name: &HostName,
    host: &'a Host,
) -> Result<&'a deployctl_core::inventory::kernel::Kernel, Failure> {
    host.kernel.as_ref().ok_or_else(|| {
        Failure::usage(format!("`{name}` declares no kernel"))
            .hint("hosts with a concern `kernel` do")
    })
}

fn tell(context: &Context) -> impl Fn(Step) + Sync {
    let ui = context.ui;
    move |step| {
        ui.say(&match step {
            Step::Unpacking => "unpacking the source".to_owned(),
            Step::Trimming => "leaving out modules that are not loaded here".to_owned(),
            Step::Merging(base) => format!("merging the symbols over `{}`", base.display()),
            Step::Building(log) => {
                format!("building; what is said goes to `{}`", log.display())
            }
        });
    }
}

/// A host and its facts.
struct Chosen<'a> {
    inventory: &'a Inventory,
    name: HostName,
    host: &'a Host,
}

impl<'a> Chosen<'a> {
    fn new(inventory: &'a Inventory, args: &args::KernelSource) -> Result<Self, Failure> {
        let name = one_host(inventory, &args.host)?;
        let host = inventory.host(&name).expect("selected from it");
        facts(&name, host)?;
        Ok(Self {
            inventory,
            name,
            host,
        })
    }

    fn is_custom(&self) -> Result<(), Failure> {
        let facts = facts(&self.name, self.host)?;
        if facts.flavour == Flavour::Custom {
            return Ok(());
        }
        let message = format!("`{}` runs its distribution's kernel", self.name);
        Err(Failure::usage(message).hint(
            "declare `kernel.flavour = \"custom\"` to build one; `deployctl kernel config` only compares",
        ))
    }

    fn request<'b>(
        &'b self,
        args: &'b args::KernelSource,
        revision: u32,
        interrupt: &'b Interrupt,
    ) -> Result<Request<'b>, Failure> {
        Ok(Request {
            facts: facts(&self.name, self.host)?,
            architecture: self.host.architecture,
            machine: Machine::this(),
            source: &args.source,
            base: args.config.as_deref(),
            trim: args.trim,
            out: &args.out,
            revision,
            interrupt,
        })
    }

    /// `file:line` of a declared symbol.
    fn position(&self, symbol: &str) -> Option<&str> {
        let path = FactPath::host(&self.name)
            .keys("kernel.symbols")
            .key(symbol);
        let position = self.inventory.positions().get(&path.to_string());
        position.map(String::as_str)
    }

    fn failure(&self, error: &KernelError) -> Failure {
        let verdict = match error {
            KernelError::NotLinux { .. } | KernelError::OtherMachine { .. } => Verdict::Refused,
            KernelError::Missed { .. }
            | KernelError::Step { .. }
            | KernelError::NoPackage { .. } => Verdict::BuildFailed,
            KernelError::Process(ProcessError::Interrupted { .. }) => Verdict::Interrupted,
            KernelError::File { .. } | KernelError::Process(_) => Verdict::Internal,
            KernelError::Tools { .. }
            | KernelError::NoSource { .. }
            | KernelError::NoBase { .. }
            | KernelError::NoConfig { .. } => Verdict::Usage,
        };
        let mut failure = Failure::of(verdict, error);
        failure.message = format!("{}: {}", self.name, failure.message);
        match error {
            KernelError::Missed { verdict, .. } => failure.causes.extend(self.missed(verdict)),
            KernelError::Step { last, .. } => failure.causes.push(last.join("\n")),
            _ => {}
        }
        failure.hint_if_any(error.hint())
    }

    /// One text a symbol: where it is declared, what was wanted, what came out, and why.
    fn missed(&self, symbols: &Symbols) -> Vec<String> {
        let words = |missed: &deployctl_core::kernel::Missed, reasons: &[_]| {
            let wanted = &missed.wanted;
            let mut text = match self.position(&wanted.symbol) {
                Some(position) => format!("{position}: "),
                None => String::new(),
            };
            let _ = write!(
                text,
                "`{}` is to be {} and would be {}",
                wanted.symbol, wanted.value, missed.got
            );
            for reason in reasons {
                let reason: &deployctl_core::kernel::Reason = reason;
                let _ = write!(text, "\n{reason}");
            }
            text
        };
        let missed = symbols
            .missed
            .iter()
            .map(|(missed, reasons)| words(missed, reasons));
        missed.chain(self.absent(symbols)).collect()
    }

    /// What is off because this source does not have it, which may be a slip.
    fn absent(&self, symbols: &Symbols) -> Vec<String> {
        let words = |symbol: &str, near: Option<&String>| {
            let position = self
                .position(symbol)
                .map(|position| format!("{position}: "))
                .unwrap_or_default();
            let near = near
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            format!("{position}`{symbol}` is off, for this source has no such symbol{near}")
        };
        symbols
            .absent
            .iter()
            .map(|(symbol, near)| words(symbol, near.as_ref()))
            .collect()
    }

    fn report(&self, configured: &Configured, packages: Option<&[Package]>) -> serde_json::Value {
        serde_json::json!({
            "version": 1,
            "host": self.name,
            "release": configured.release,
            "base": configured.base,
            "config": configured.config,
            "symbols": configured.symbols,
            "absent": configured.verdict.absent.iter().map(|(symbol, _)| symbol).collect::<Vec<_>>(),
            "packages": packages,
        })
    }

    fn show(&self, context: &Context, configured: &Configured, packages: Option<&[Package]>) {
        for words in self.absent(&configured.verdict) {
            context.ui.say(&format!("{}: {words}", self.name));
        }
        if context.ui.json {
            Ui::print_json(&self.report(configured, packages));
            return;
        }
        let mut text = format!(
            "{}: {}: all {} symbols as declared\n  {}\n",
            self.name,
            configured.release,
            configured.symbols,
            configured.config.display()
        );
        for package in packages.unwrap_or_default() {
            let _ = writeln!(text, "  {}  {}", package.sha256, package.file);
        }
        context.ui.print(&text);
    }
}
