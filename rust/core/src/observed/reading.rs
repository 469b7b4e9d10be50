//! The answers of one round, and which of them cannot be used.

use std::collections::BTreeMap;

use super::ObserveScope;
use super::ask::asked;
use crate::query::{Answers, Section, printable_line};

/// The answers, and which of them are missing.
pub(super) struct Reading<'a> {
    answers: &'a Answers,
    pub(super) unanswered: BTreeMap<String, String>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(answers: &'a Answers) -> Self {
        Self {
            answers,
            unanswered: BTreeMap::new(),
        }
    }

    /// The section where it was to be asked, as [`Self::answer_with`].
    pub(super) fn asked_answer(
        &mut self,
        scope: &ObserveScope<'_>,
        id: &str,
        statuses: &[i32],
    ) -> Option<&'a Section> {
        if asked(scope, id) {
            self.answer_with(id, statuses)
        } else {
            None
        }
    }

    /// The section, if its command succeeded and nothing of it was cut off.
    pub(super) fn answer(&mut self, id: &str) -> Option<&'a Section> {
        self.answer_with(id, &[0])
    }

    /// The section, if its command ended with one of `statuses` and nothing of it was cut off.
    pub(super) fn answer_with(&mut self, id: &str, statuses: &[i32]) -> Option<&'a Section> {
        let Some(section) = self.answers.get(id) else {
            self.miss(id, "it was not asked".to_owned());
            return None;
        };
        let cause = match section.status {
            None => "no answer in time".to_owned(),
            Some(_) if section.truncated => "the answer is too long".to_owned(),
            Some(status) if !statuses.contains(&status) => {
                let said = printable_line(&section.stderr, 200);
                if said.is_empty() {
                    format!("exit status {status}")
                } else {
                    format!("exit status {status}: {said}")
                }
            }
            Some(_) => return Some(section),
        };
        self.miss(id, cause);
        None
    }

    /// Notes that `id` has no usable answer.
    pub(super) fn miss(&mut self, id: &str, cause: String) {
        self.unanswered.insert(id.to_owned(), cause);
    }
}
