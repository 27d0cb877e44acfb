//! The files that hooks of the scripts wrote, one a commit. Pure.

use serde::{Deserialize, Serialize};

use super::months::day;
use crate::{
    WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// `commit_metrics_YYYYMMDD_HHMMSS.json`.
///
/// Where it names a worktree, that is the name of the folder around it, which is `worktrees` for all of them: the hook was wrong. So it says
/// whether, not which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitMetrics {
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The message; may be empty.
    #[serde(default)]
    pub commit_message: String,
    /// The branch.
    #[serde(default)]
    pub branch: String,
    /// The folder, where the commit was made in a worktree.
    #[serde(default)]
    pub worktree_used: Option<String>,
    /// Whether orchestration was switched on.
    #[serde(default)]
    pub orchestration_enabled: bool,
    /// Whether it was made in a worktree.
    #[serde(default)]
    pub token_optimization: bool,
}

impl CommitMetrics {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) for a file that is none, or whose time is none.
    pub fn parse(text: &str) -> Result<Self> {
        let bad =
            |why: String| Error::new(ErrorKind::Corrupt, format!("it is no record of a commit: {}", Printable(&why)));
        let read: Self = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        read.timestamp.parse::<WallTime>().map_err(|error| bad(error.to_string()))?;
        Ok(read)
    }
}

/// The month of a record by its name, which has the local time of who wrote it; `None`: it is no such file.
///
/// ```
/// use orch_core::ext::metrics::record_month;
///
/// assert_eq!(record_month("commit_metrics_20250703_170729.json").as_deref(), Some("2025-07"));
/// assert_eq!(record_month("commit_metrics_20251341_170729.json"), None);
/// assert_eq!(record_month("aggregated_metrics.json"), None);
/// ```
pub fn record_month(name: &str) -> Option<String> {
    let stamp = name.strip_prefix("commit_metrics_")?.strip_suffix(".json")?;
    let (date, time) = stamp.split_once('_')?;
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let (year, month, of_month) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let iso = format!("{year}-{month}-{of_month}");
    // A day that the calendar does not have is none.
    (day(&iso) > 0).then(|| format!("{year}-{month}"))
}
