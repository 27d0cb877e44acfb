//! The policy that a configuration file of the scripts asks for.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::policy::{Action, GitPolicy, GitRule, Side, quoted};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What of `.worktree_orchestration_config.json` says where commits are made. All else of it is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    orchestration: Switch,
    commit_hooks: Hooks,
    worktree_strategies: Map<String, Value>,
    worktree_assignments: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Switch {
    enabled: bool,
}

impl Default for Switch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hooks {
    pre_commit: PreCommit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PreCommit {
    check_worktree_usage: bool,
    enforce_orchestration: bool,
}

#[derive(Debug, Deserialize)]
struct Strategy {
    pattern: String,
    #[serde(default = "yes")]
    use_worktree: bool,
}

fn yes() -> bool {
    true
}

impl GitPolicy {
    /// The rules that a `.worktree_orchestration_config.json` asks for: commits in the main worktree on a branch whose `worktree_strategies` use worktrees, or
    /// of a type of task that `worktree_assignments` gives a worktree, are warned of with `commit_hooks.pre_commit.check_worktree_usage` and refused with
    /// `enforce_orchestration`. Without either, and where `orchestration.enabled` is false, there are none; the other forms of configuration have none.
    ///
    /// ```
    /// use orch_core::ext::hooks::{Action, GitPolicy, Place};
    ///
    /// let config = r#"{"worktree_strategies": {"features": {"pattern": "feat/*", "use_worktree": true}, "docs": {"pattern": "docs/*", "use_worktree": false}},
    ///     "commit_hooks": {"pre_commit": {"check_worktree_usage": true}}}"#;
    /// let policy = GitPolicy::of_scripts(config)?;
    /// let place = Place { branch: Some("feat/login"), words: vec!["feat"], is_main: true };
    /// assert_eq!(policy.judge(&place)?.unwrap().action, Action::Warn);
    /// assert!(policy.judge(&Place { is_main: false, ..place.clone() })?.is_none());
    /// assert!(policy.judge(&Place { branch: Some("docs/api"), ..place })?.is_none());
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for what is no JSON, or has others than such values there.
    pub fn of_scripts(text: &str) -> Result<Self> {
        let bad = |error: serde_json::Error| {
            let why = error.to_string();
            let message = format!("the configuration of worktrees has no such policy: {}", Printable(&why));
            Error::new(ErrorKind::InvalidFormat, message)
        };
        let root: Map<String, Value> = serde_json::from_str(text).map_err(bad)?;
        let config: Config = serde_json::from_value(Value::Object(root)).map_err(bad)?;
        let PreCommit { check_worktree_usage, enforce_orchestration } = config.commit_hooks.pre_commit;
        if !config.orchestration.enabled || !check_worktree_usage && !enforce_orchestration {
            return Ok(Self::default());
        }
        let action = if enforce_orchestration { Action::Block } else { Action::Warn };
        let mut rule = Vec::new();
        for (name, strategy) in config.worktree_strategies {
            let Strategy { pattern, use_worktree } = serde_json::from_value(strategy).map_err(bad)?;
            let why = Some(format!("`{name}` of `worktree_strategies` uses worktrees"));
            rule.push(if use_worktree {
                GitRule { branch: vec![pattern], worktree: Some(Side::Main), action, why, ..GitRule::default() }
            } else {
                GitRule { branch: vec![pattern], action: Action::Allow, ..GitRule::default() }
            });
        }
        for (name, words) in config.worktree_assignments {
            let mut task: Vec<String> = serde_json::from_value(words).map_err(bad)?;
            task.insert(0, name.clone());
            // They are words, and no patterns.
            for word in &mut task {
                *word = word.chars().flat_map(|char| escape(char).into_iter().chain([char])).collect();
            }
            let (why, run) = (format!("`{name}` has a worktree"), format!("orch worktree new {}", quoted(&name)));
            let (why, run, worktree) = (Some(why), Some(run), Some(Side::Main));
            rule.push(GitRule { task, worktree, action, why, run, ..GitRule::default() });
        }
        let policy = Self { rule };
        policy.check()?;
        Ok(policy)
    }
}

fn escape(char: char) -> Option<char> {
    matches!(char, '\\' | '*' | '?').then_some('\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::hooks::Place;

    fn policy(enabled: bool, check: bool, enforce: bool) -> GitPolicy {
        let config = serde_json::json!({
            "orchestration": {"enabled": enabled, "max_concurrent_worktrees": 6},
            "worktree_strategies": {
                "feature_development": {"pattern": "feat/*", "use_worktree": true, "parallel": true},
                "documentation": {"pattern": "docs/*", "use_worktree": false, "parallel": false},
            },
            "cost_tracking": {"enabled": true},
            "worktree_assignments": {"puzzle-gen": ["puzzle generation", "sudoku"]},
            "commit_hooks": {
                "pre_commit": {"check_worktree_usage": check, "enforce_orchestration": enforce, "log_token_usage": true},
                "post_commit": {"report_cost_savings": true},
            },
        });
        GitPolicy::of_scripts(&config.to_string()).unwrap()
    }

    fn place<'a>(branch: &'a str, words: &[&'a str], is_main: bool) -> Place<'a> {
        Place { branch: Some(branch), words: words.to_vec(), is_main }
    }

    #[test]
    fn what_is_enforced_is_refused_and_what_is_checked_is_warned_of() {
        for (check, enforce, action) in
            [(true, false, Action::Warn), (true, true, Action::Block), (false, true, Action::Block)]
        {
            let policy = policy(true, check, enforce);
            let judge = |place: Place<'_>| policy.judge(&place).unwrap();
            assert_eq!(judge(place("feat/a", &[], true)).unwrap().action, action);
            assert!(judge(place("feat/a", &[], false)).is_none(), "that is a worktree");
            assert!(judge(place("docs/a", &["sudoku"], true)).is_none(), "documents need none");
            assert!(judge(place("main", &["general"], true)).is_none());
            let told = judge(place("main", &["sudoku"], true)).unwrap();
            assert_eq!((told.rule, told.action, told.run.as_str()), (3, action, "orch worktree new puzzle-gen"));
            assert_eq!(told.why, "on `main`: `puzzle-gen` has a worktree");
        }
        for none in [policy(false, true, true), policy(true, false, false)] {
            assert_eq!(none, GitPolicy::default());
        }
    }

    #[test]
    fn other_forms_have_no_policy_and_damage_is_told() {
        for other in [r#"{"puzzle-gen": {"branch": "worktree/puzzle-gen"}}"#, r#"{"worktrees": {}}"#] {
            assert_eq!(GitPolicy::of_scripts(other).unwrap(), GitPolicy::default());
        }
        for wrong in
            ["", "[]", "<<<<<<< HEAD\n{}", r#"{"commit_hooks": {"pre_commit": {"check_worktree_usage": "yes"}}}"#]
        {
            assert_eq!(GitPolicy::of_scripts(wrong).unwrap_err().kind(), ErrorKind::InvalidFormat, "{wrong}");
        }
    }
}
