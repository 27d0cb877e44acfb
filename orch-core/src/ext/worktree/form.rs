//! The JSON forms of an overview.

use serde_json::{Value, json};

use super::{
    alert::Alert,
    monitor::{Overview, Row},
};

/// How far behind a worktree is stale for the health report, in commits.
const FAR_BEHIND: u32 = 10;

impl Overview {
    /// Rows for programs: what worktrunk's `list --format=json` has in its schema 2, and what orch knows besides (`name`, `states`, `orch`,
    /// `conflicts_with`, and `conflicts` and `alerts` beside the rows). `ci` is always null: nothing here asks a network.
    pub fn json(&self) -> Value {
        json!({
            "schema": 2,
            "version": 1,
            "repo": {"default_branch": self.default_branch},
            "at": self.at.to_string(),
            "items": self.rows.iter().map(row).collect::<Vec<_>>(),
            "conflicts": self.conflicts,
            "alerts": self.alerts().iter().map(alert).collect::<Vec<_>>(),
        })
    }

    /// `worktree_health.json` of the scripts that orch replaces, with their keys. Where they said that all is well because there was nothing to compare with,
    /// `behind_main` is null and the worktree needs attention; 10 commits behind is current in both fields.
    pub fn health(&self) -> Value {
        let worktrees: Vec<Value> = self.rows.iter().map(health).collect();
        json!({"timestamp": self.at.to_string(), "total_worktrees": worktrees.len(), "worktrees": worktrees})
    }
}

/// With its text, so that nobody has to make one.
fn alert(alert: &Alert) -> Value {
    let mut form = serde_json::to_value(alert).unwrap_or_default();
    if let Some(form) = form.as_object_mut() {
        form.insert("text".to_owned(), alert.to_string().into());
    }
    form
}

fn row(row: &Row) -> Value {
    let git = &row.known.git;
    let record = row.known.record.as_ref();
    let state = match (&git.prunable, &git.locked) {
        (Some(_), _) => Some("prunable"),
        (None, Some(_)) => Some("locked"),
        _ => None,
    };
    let tree = row.status.as_ref().map(|status| {
        json!({
            "staged": status.staged > 0,
            "modified": status.modified > 0,
            "untracked": status.untracked > 0,
            "renamed": status.renamed > 0,
            "deleted": status.deleted > 0,
            "conflicted": status.conflicted > 0,
            "paths": {
                "staged": status.staged,
                "modified": status.modified,
                "untracked": status.untracked,
                "renamed": status.renamed,
                "deleted": status.deleted,
                "conflicted": status.conflicted,
            },
        })
    });
    let remote = row.status.as_ref().and_then(|status| {
        let (ahead, behind) = status.remote?;
        Some(json!({"name": status.upstream, "ahead": ahead, "behind": behind}))
    });
    json!({
        "kind": "worktree",
        "name": row.known.name(),
        "branch": git.branch,
        "path": git.path.display().to_string(),
        "commit": row.commit,
        "working_tree": tree,
        "operation_state": row.operation,
        "worktree": {
            "path": git.path.display().to_string(),
            "state": state,
            "reason": git.prunable.as_ref().or(git.locked.as_ref()),
            "detached": git.branch.is_none(),
        },
        "is_main": row.known.is_main,
        "main_state": row.main_state,
        "main": row.apart.map(|(ahead, behind)| json!({"ahead": ahead, "behind": behind})),
        "integration_reason": row.integration,
        "remote": remote,
        "ci": null,
        "states": row.states,
        "conflicts_with": row.conflicts_with,
        "orch": {
            "managed": record.is_some(),
            "purpose": record.and_then(|it| it.purpose.clone()),
            "slot": record.and_then(|it| it.slot),
            "run": record.and_then(|it| it.run.clone()),
            "task": record.and_then(|it| it.task.clone()),
            "agent": record.and_then(|it| it.agent.clone()),
            "made": record.map(|it| it.made.to_string()),
            "used": row.used.map(|used| used.to_string()),
            "ports": record.and_then(|it| it.ports).map(|(first, many)| json!({"first": first, "count": many})),
            "holder": row.holder,
            "bytes": row.bytes,
        },
    })
}

fn health(row: &Row) -> Value {
    let behind = row.apart.map(|(_, behind)| behind);
    let changes =
        row.status.as_ref().map(|status| status.staged.max(status.modified) + status.untracked + status.conflicted);
    let is_current = behind.is_some_and(|behind| behind <= FAR_BEHIND);
    json!({
        "path": row.known.git.path.display().to_string(),
        "commit": row.known.git.head,
        "branch": row.known.git.branch.as_deref().unwrap_or("(detached)"),
        "last_commit": row.commit.as_ref().map(|commit| commit.relative.clone()),
        "behind_main": behind,
        "uncommitted_changes": changes,
        "status": if is_current { "current" } else { "stale" },
        "health": if is_current && changes == Some(0) { "good" } else { "needs_attention" },
    })
}
