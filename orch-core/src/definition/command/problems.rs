//! The problems of one definition, with a bound.

use super::{lines, model::Source};
use crate::error::{Problem, Severity};

/// Codes of warnings that are errors for [`GraphOptions::strict`](super::GraphOptions::strict).
const STRICT: [&str; 4] = ["MISSING_CONTEXT_INPUT", "UNKNOWN_VALUE", "UNORDERED_INPUT", "UNORDERED_READ"];

/// Collects problems; above [`Problems::MAX`] it only counts them, since a hostile file of a few bytes a problem would
/// otherwise take a hundred times its size in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    errors: usize,
    more: usize,
    more_errors: usize,
    /// Of the warnings that are only counted, those that are errors when strict.
    more_strict: usize,
}

impl Problems {
    /// The most problems that are told one by one.
    pub(super) const MAX: usize = 10_000;

    pub(super) fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.count(&problem.code, problem.severity);
            return;
        }
        self.errors += usize::from(problem.severity == Severity::Error);
        self.list.push(problem);
    }

    /// Whether further problems are only counted: their texts need not be made.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= Self::MAX
    }

    /// Counts a problem that is not told.
    pub(super) fn count(&mut self, code: &str, severity: Severity) {
        self.more += 1;
        if severity == Severity::Error {
            self.errors += 1;
            self.more_errors += 1;
        } else if STRICT.contains(&code) {
            self.more_strict += 1;
        }
    }

    /// How many errors there are.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// The list as it is told: with lines and in their order where there is a text, and severities as `strict` has them.
    pub(super) fn into_list(self, source: &Source, strict: bool) -> Vec<Problem> {
        let Self { mut list, more, more_errors, more_strict, .. } = self;
        if strict {
            for problem in list.iter_mut().filter(|problem| STRICT.contains(&problem.code.as_ref())) {
                problem.severity = Severity::Error;
            }
        }
        if !list.is_empty() {
            match source {
                Source::Value => {}
                Source::Json(text) => lines::find(text, &mut list),
                #[cfg(feature = "markdown")]
                Source::Markdown(agents) => lines::of_agents(agents, &mut list),
            }
            list.sort_by_key(|problem| problem.line);
        }
        if more > 0 {
            let message = format!("{more} more problems are not listed");
            let problem = if more_errors > 0 || (strict && more_strict > 0) {
                Problem::error("MORE_PROBLEMS", message)
            } else {
                Problem::warning("MORE_PROBLEMS", message)
            };
            list.push(problem);
        }
        list
    }
}
