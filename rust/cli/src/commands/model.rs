//! `deployctl model`: lists of the files of models.

use std::path::Path;

use deployctl_engine::files;
use deployctl_engine::pin::{PinError, Pinned, Request};
use deployctl_engine::process::ProcessError;
use deployctl_report::Verdict;
use deployctl_report::text::size;

use crate::args;
use crate::context::Context;
use crate::failure::Failure;

/// Longest file that is read for a token.
const TOKEN_CAP: usize = 4096;

pub(super) async fn run(context: &Context, args: &args::Model) -> Result<Verdict, Failure> {
    match args {
        args::Model::Pin(args) => pin(context, args).await,
    }
}

async fn pin(context: &Context, args: &args::ModelPin) -> Result<Verdict, Failure> {
    if let Some(path) = &args.out {
        files::replaceable(path).map_err(|error| unwritable(path, &error))?;
    }
    let token = args.token_file.as_deref().map(token).transpose()?;
    if let Some(path) = &args.token_file {
        context.warn_of_readers(path, "token");
    }
    let request = Request {
        hub: &args.hub,
        repository: &args.repository,
        revision: &args.revision,
        token: token.as_deref(),
        include: &args.include,
        exclude: &args.exclude,
        interrupt: &context.interrupt,
    };
    let tell = |path: &str| context.ui.say(&format!("fetching `{path}` to hash it"));
    let pinned = request.pin(&tell).await.map_err(|error| failure(&error))?;
    let text = serde_json::to_string_pretty(&pinned).expect("texts and numbers");
    match &args.out {
        None => context.ui.print(&format!("{text}\n")),
        Some(path) => {
            let written = files::replace(path, format!("{text}\n").as_bytes(), 0o644);
            written.map_err(|error| unwritable(path, &error))?;
        }
    }
    context.ui.say(&summary(&pinned));
    Ok(Verdict::Done)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`", path.display()))
        .cause(error)
        .hint("see whether its folder is there, and whether you may write to it")
}

/// The first line of `path`.
fn token(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    // Not by `files::read_up_to`, which takes no pipe such as `<(pass show hub)`.
    let text = std::fs::File::open(path)
        .and_then(|file| std::io::read_to_string(std::io::Read::take(file, TOKEN_CAP as u64)))
        .map_err(|error| {
            Failure::usage(format!("cannot read `{shown}`"))
                .cause(&error)
                .hint("name a file with a token of the hub in its first line as `--token-file`")
        })?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._~+/=-".contains(&b);
    if line.is_empty() || !line.bytes().all(good) {
        let message = format!("`{shown}` holds no token in its first line");
        return Err(Failure::usage(message)
            .hint("a token has letters, digits and `._~+/=-`, and no blanks"));
    }
    Ok(line.to_owned())
}

fn summary(pinned: &Pinned) -> String {
    let bytes = pinned.files.iter().map(|file| file.size);
    format!(
        "`{}` at {}: {} files, {}",
        pinned.repository,
        pinned.revision,
        pinned.files.len(),
        size(bytes.fold(0, u64::saturating_add)),
    )
}

fn failure(error: &PinError) -> Failure {
    let verdict = match error {
        PinError::Process(ProcessError::Interrupted { .. }) => Verdict::Interrupted,
        PinError::Process(ProcessError::NotInstalled { .. })
        | PinError::NoFiles { .. }
        | PinError::TooMany(_)
        | PinError::Path(_) => Verdict::Usage,
        PinError::Process(_) | PinError::Local { .. } => Verdict::Internal,
        PinError::Link { .. } => Verdict::Unreachable,
        PinError::Answered { .. } | PinError::Unreadable { .. } | PinError::Size { .. } => {
            Verdict::BuildFailed
        }
    };
    Failure::of(verdict, error).hint(error.hint())
}
