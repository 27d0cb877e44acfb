//! Whether a commit may be made there. Pure.

use serde::{Deserialize, Serialize};

use crate::{
    cache::Pattern,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// `[hooks.git]` of orch.toml: who commits where. The first rule that fits counts; without one every commit is good.
///
/// ```
/// use orch_core::ext::hooks::{Action, GitPolicy, GitRule, Place};
///
/// let rule = GitRule { branch: vec!["main".into()], worktree: None, action: Action::Block, ..GitRule::default() };
/// let policy = GitPolicy { rule: vec![rule] };
/// let place = Place { branch: Some("main"), words: vec![], is_main: true };
/// let told = policy.judge(&place)?.unwrap();
/// assert_eq!(told.run, "orch worktree new NAME");
/// assert!(policy.judge(&Place { branch: Some("feat/login"), ..place })?.is_none());
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitPolicy {
    /// The rules, in order.
    pub rule: Vec<GitRule>,
}

/// One rule. What it does not name may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitRule {
    /// [Patterns](Pattern) of branches, one of which fits; `HEAD` stands for no branch. Empty: any.
    #[serde(deserialize_with = "one_or_many")]
    pub branch: Vec<String>,
    /// Patterns of the type of task, one of which fits one of: the type that was said, the task, its agent, the branch up to its first
    /// slash (`feat` of `feat/login`). Empty: any.
    #[serde(deserialize_with = "one_or_many")]
    pub task: Vec<String>,
    /// `main`: only in the main worktree; `linked`: only in others.
    pub worktree: Option<Side>,
    /// What happens. Default: [`Warn`](Action::Warn).
    pub action: Action,
    /// What to run instead; `{branch}` and `{task}` stand for what they are here, quoted for a shell. Default: `orch worktree new NAME`.
    pub run: Option<String>,
    /// Why, for people.
    pub why: Option<String>,
}

/// Which worktrees a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The main one.
    Main,
    /// The others.
    Linked,
}

/// What happens to a commit that a rule fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: an exception from the rules behind it.
    Allow,
    /// It is made, and what would be better is said.
    #[default]
    Warn,
    /// It is not made.
    Block,
}

/// Where somebody wants to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The branch, where `HEAD` is on one.
    pub branch: Option<&'a str>,
    /// What is known of the type of the task; what is not known is left out.
    pub words: Vec<&'a str>,
    /// Whether it is the main worktree.
    pub is_main: bool,
}

/// What is said to who commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// What happens; never [`Allow`](Action::Allow).
    pub action: Action,
    /// Why, in one sentence.
    pub why: String,
    /// What to run instead.
    pub run: String,
}

impl GitPolicy {
    /// What is said to who commits there; `None`: nothing, it is good.
    ///
    /// # Errors
    ///
    /// Those of a [`Pattern`] that is none; [`check`](GitPolicy::check) tells of them before.
    pub fn judge(&self, place: &Place<'_>) -> Result<Option<Told>> {
        for (nth, rule) in self.rule.iter().enumerate() {
            if rule.fits(place)? {
                return Ok((rule.action != Action::Allow).then(|| rule.told(nth + 1, place)));
            }
        }
        Ok(None)
    }

    /// Reads every pattern, so that a wrong one is told when the settings are read.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue), and which rule it is.
    pub fn check(&self) -> Result<()> {
        for (nth, rule) in self.rule.iter().enumerate() {
            for text in rule.branch.iter().chain(&rule.task) {
                text.parse::<Pattern>().map_err(|error| {
                    let message = format!("rule {} of `hooks.git`: `{}` is no pattern", nth + 1, Printable(text));
                    Error::new(ErrorKind::InvalidValue, message).caused_by(error)
                })?;
            }
        }
        Ok(())
    }
}

impl GitRule {
    fn fits(&self, place: &Place<'_>) -> Result<bool> {
        let side = match self.worktree {
            None => true,
            Some(Side::Main) => place.is_main,
            Some(Side::Linked) => !place.is_main,
        };
        let branch = [place.branch.unwrap_or("HEAD")];
        Ok(side && one_fits(&self.branch, &branch)? && one_fits(&self.task, &place.words)?)
    }

    fn told(&self, rule: usize, place: &Place<'_>) -> Told {
        let on = place.branch.map_or_else(|| "no branch".to_owned(), |branch| format!("`{}`", Printable(branch)));
        let why = match &self.why {
            Some(why) => format!("on {on}: {}", Printable(why)),
            None if self.action == Action::Block => format!("no commits on {on} from here"),
            None => format!("commits on {on} are better made elsewhere"),
        };
        let put = |name: Option<&str>, default: &str| name.map_or_else(|| default.to_owned(), quoted);
        let run = self.run.as_deref().unwrap_or("orch worktree new NAME");
        let run = run.replace("{branch}", &put(place.branch, "HEAD"));
        let run = run.replace("{task}", &put(place.words.first().copied(), "NAME"));
        Told { rule, action: self.action, why, run }
    }
}

fn one_fits(patterns: &[String], values: &[&str]) -> Result<bool> {
    for text in patterns {
        let pattern: Pattern = text.parse()?;
        if values.iter().any(|value| pattern.matches(value)) {
            return Ok(true);
        }
    }
    Ok(patterns.is_empty())
}

/// As one word of a shell: people copy what they are told to run.
pub(super) fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-/@+".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "text, or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: serde_json::Value) -> GitPolicy {
        serde_json::from_value(serde_json::json!({ "rule": json })).unwrap()
    }

    fn place<'a>(branch: &'a str, words: &[&'a str]) -> Place<'a> {
        Place { branch: (branch != "HEAD").then_some(branch), words: words.to_vec(), is_main: true }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let policy = policy(serde_json::json!([
            {"branch": "main", "task": ["docs", "ci-*"], "action": "allow"},
            {"branch": ["main", "release/*"], "action": "block", "run": "orch worktree new {task} --base {branch}"},
            {"branch": "*", "task": "feat", "worktree": "main", "why": "features have a worktree"},
            {"branch": "HEAD", "action": "block"},
            {"branch": "feat/*", "worktree": "linked", "why": "features are made in the main worktree"},
        ]));
        let rule = |place: Place<'_>| policy.judge(&place).unwrap().map(|told| (told.rule, told.action, told.run));
        let new = "orch worktree new NAME".to_owned();
        assert_eq!(rule(place("main", &["docs"])), None);
        assert_eq!(rule(place("main", &["x", "ci-fixes"])), None);
        let told = "orch worktree new NAME --base main".to_owned();
        assert_eq!(rule(place("main", &[])), Some((2, Action::Block, told)), "nothing is known, and nothing fails");
        let told = "orch worktree new 'x; $(y)' --base release/1".to_owned();
        assert_eq!(rule(place("release/1", &["x; $(y)"])), Some((2, Action::Block, told)));
        assert_eq!(rule(place("feat/a", &["feat"])), Some((3, Action::Warn, new.clone())));
        assert_eq!(
            rule(Place { is_main: false, ..place("feat/a", &["feat"]) }),
            Some((5, Action::Warn, new.clone())),
            "that of the main worktree is passed over"
        );
        assert_eq!(rule(place("HEAD", &[])), Some((4, Action::Block, new)));
        assert_eq!(rule(place("feat/a", &[])), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_rule() {
        for wrong in [
            serde_json::json!([{"brnch": "x"}]),
            serde_json::json!([{"branch": 3}]),
            serde_json::json!([{"action": "no"}]),
        ] {
            assert!(serde_json::from_value::<GitPolicy>(serde_json::json!({ "rule": wrong })).is_err());
        }
        let error = policy(serde_json::json!([{}, {"branch": "a\\"}])).check().unwrap_err().to_string();
        assert!(error.starts_with("rule 2 of `hooks.git`: `a\\` is no pattern"), "{error}");
    }
}
