//! The one place that writes to the terminal and asks the user.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::args::Color;
use crate::env_vars;
use crate::failure::Failure;

/// What marks good, bad and unimportant words.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    Bad,
    Warn,
    Dim,
    Bold,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Bold => Style::new().bold(),
        }
    }

    /// `text` in this tone; the writer strips it where colours are off.
    pub(crate) fn of(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// Standard output for data, standard error for the rest. A reader that has gone away is no error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// Whether data is JSON.
    pub(crate) json: bool,
    color: Color,
}

impl Ui {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        Self { json, color }
    }

    fn choice(self) -> ColorChoice {
        match self.color {
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
            Color::Auto if env_vars::no_color() => ColorChoice::Never,
            Color::Auto => ColorChoice::Auto,
        }
    }

    /// Data, as it is.
    pub(crate) fn print(self, text: &str) {
        let mut out = AutoStream::new(io::stdout().lock(), self.choice());
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Data for programs.
    pub(crate) fn print_json(value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).expect("our types serialise");
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}");
    }

    /// A line about what goes on.
    pub(crate) fn say(self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice());
        let _ = writeln!(err, "{text}");
    }

    /// The last words of a command that failed.
    pub(crate) fn fail(self, failure: &Failure) {
        if self.json {
            Self::print_json(&failure.json());
        }
        self.say(&format!("{}: {}", Tone::Bad.of("error"), failure.text()));
    }

    /// Data for programs, in one line.
    pub(crate) fn print_json_line(value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("our types serialise");
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }

    /// Whether a person at a terminal can be asked.
    pub(crate) fn is_attended() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks for a line; `None` when there will be no more.
    pub(crate) fn ask(question: &str) -> Result<Option<String>, Failure> {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question}");
        let _ = err.flush();
        drop(err);
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(answer)),
            Err(error) => Err(Failure::of(deployctl_report::Verdict::Usage, &error)),
        }
    }

    /// Asks for a yes. Without a terminal this is an error, and `instead` names the option that replaces the question.
    pub(crate) fn confirm(question: &str, instead: &str) -> Result<bool, Failure> {
        if !Self::is_attended() {
            return Err(
                Failure::usage(format!("{question} there is no terminal to answer"))
                    .hint(format!("without a terminal, pass {instead}")),
            );
        }
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question} [y/N] ");
        let _ = err.flush();
        drop(err);
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer);
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Asks for a password on the terminal, without showing it.
    pub(crate) fn password(prompt: &str) -> Result<String, Failure> {
        let failure =
            |failure: Failure| failure.hint("without a terminal, pass `--sudo-password-file FILE`");
        Self::hidden(prompt).map_err(failure)
    }

    /// Asks for a line on the terminal, without showing it.
    pub(crate) fn hidden(prompt: &str) -> Result<String, Failure> {
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::of(deployctl_report::Verdict::Usage, &error))
    }
}
