//! What came of a look, and of a merge, as a person sees it.

use serde_json::Value;

use super::cells::shown as text;
use crate::{cli::streams::Paint, ext::worktree::GateReport};

/// The health report.
pub(super) fn health(health: &Value, paint: Paint) -> String {
    let mut out = format!("{} worktrees\n", health.get("total_worktrees").unwrap_or(&Value::Null));
    for row in health.get("worktrees").and_then(Value::as_array).into_iter().flatten() {
        let get = |key: &str| {
            row.get(key)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .unwrap_or_default()
        };
        let health = get("health");
        let painted = if health == "good" { paint.good("good") } else { paint.warn("needs attention") };
        out += &format!("{}  {painted}\n", text(&get("path")));
        out += &format!(
            "  {}, {}, behind {}, {} uncommitted, last commit {}\n",
            text(&get("branch")),
            get("status"),
            get("behind_main"),
            get("uncommitted_changes"),
            text(&get("last_commit")),
        );
    }
    out
}

/// What came in and what did not.
pub(super) fn gate(report: &GateReport, dry: bool, paint: Paint) -> String {
    let would = if dry { "would come" } else { "came" };
    let mut out = String::new();
    for came in &report.merged {
        out += &format!(
            "{} {} {would} into {} as {}\n",
            paint.good("✓"),
            text(&came.name),
            text(&report.into),
            came.as_commit.short()
        );
    }
    for stayed in &report.refused {
        out += &format!("{} {} stays out: {}\n", paint.bad("✗"), text(&stayed.name), stayed.why);
        for path in stayed.paths.iter().take(20) {
            out += &format!("    {}\n", text(path));
        }
    }
    out += &format!(
        "{} of {} in {}\n",
        report.merged.len(),
        report.merged.len() + report.refused.len(),
        text(&report.into)
    );
    out
}
