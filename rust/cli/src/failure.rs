//! From errors to words and exit codes. Only our own failures come here: a host's is an entry of the
//! report.

use std::error::Error;

use deployctl_checks::SelectionError;
use deployctl_core::errors::{Errors, Hinted};
use deployctl_core::select::SelectError;
use deployctl_engine::modules::ModulesError;
use deployctl_engine::nix::NixError;
use deployctl_engine::secret::VaultError;
use deployctl_engine::transport::TransportError;
use deployctl_report::{Problem, Verdict};

/// Why a command ends early: what to say and how to exit.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure with this message.
    pub(crate) fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            verdict,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// Wrong use.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Verdict::Usage, message)
    }

    /// An error with its causes.
    pub(crate) fn of(verdict: Verdict, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self {
            verdict,
            message: error.to_string(),
            causes,
            hint: None,
        }
    }

    /// Adds the causes of `error`.
    #[must_use]
    pub(crate) fn cause(mut self, error: &dyn Error) -> Self {
        self.causes.push(error.to_string());
        self
    }

    /// With a next step.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// With the next step, where one is known.
    #[must_use]
    pub(crate) fn hint_if_any(self, hint: Option<impl Into<String>>) -> Self {
        Self {
            hint: hint.map(Into::into),
            ..self
        }
    }

    /// `error: …`, causes, hint; without a line end.
    pub(crate) fn text(&self) -> String {
        let mut text = self.message.clone();
        for cause in &self.causes {
            text.push_str("\n  cause: ");
            text.push_str(&cause.replace('\n', "\n    "));
        }
        if let Some(hint) = &self.hint {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        text
    }

    /// For `--json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "version": 1,
            "error": {
                "message": self.message,
                "causes": self.causes,
                "hint": self.hint,
                "exit_code": self.verdict.code(),
            }
        })
    }
}

impl<E: Hinted> From<Errors<E>> for Failure {
    fn from(errors: Errors<E>) -> Self {
        Self::new(Verdict::Usage, errors.to_string())
    }
}

impl From<ModulesError> for Failure {
    fn from(error: ModulesError) -> Self {
        Self::of(Verdict::Usage, &error).hint_if_any(error.hint())
    }
}

impl From<NixError> for Failure {
    fn from(error: NixError) -> Self {
        Self::of(Verdict::Usage, &error).hint_if_any(error.hint())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let verdict = match &error {
            VaultError::Read { .. } => Verdict::Usage,
            VaultError::Changed { .. } | VaultError::Write { .. } => Verdict::Internal,
        };
        Self::of(verdict, &error).hint_if_any(error.hint())
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        Self::of(Verdict::Usage, &error).hint_if_any(error.hint())
    }
}

impl From<SelectionError> for Failure {
    fn from(error: SelectionError) -> Self {
        Self::of(Verdict::Usage, &error).hint_if_any(error.hint())
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let verdict = match &error {
            TransportError::HostKey { .. }
            | TransportError::Unadopted { .. }
            | TransportError::Privilege { .. } => Verdict::Refused,
            TransportError::Connect { .. }
            | TransportError::NoShell { .. }
            | TransportError::Lost { .. }
            | TransportError::Timeout { .. } => Verdict::Unreachable,
            TransportError::TooMuch { .. }
            | TransportError::Put { .. }
            | TransportError::Local { .. } => Verdict::Internal,
        };
        Self::of(verdict, &error).hint_if_any(error.hint())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            hint: problem.hint,
            ..Self::new(Verdict::Internal, problem.message)
        }
    }
}
