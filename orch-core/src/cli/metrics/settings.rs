//! `[metrics]` of orch.toml.

use serde::Deserialize;
use toml::Value;

use crate::{
    cli::args_metrics::BadgeName,
    cost::budget::Zone,
    error::{Error, ErrorKind, Result},
    ext::metrics::{Model, Policy, Targets},
    id::Printable,
};

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Settings {
    /// What "orchestrated" means.
    pub(in crate::cli) policy: Policy,
    /// Whose months and weeks.
    pub(in crate::cli) zone: Option<String>,
    /// The folder of the metrics, seen from the top of the repository.
    folder: Option<String>,
    pub(in crate::cli) merges: bool,
    pub(in crate::cli) bots: bool,
    pub(in crate::cli) authors: Vec<String>,
    pub(in crate::cli) not_authors: Vec<String>,
    pub(in crate::cli) model: Model,
    pub(in crate::cli) targets: Targets,
    /// Which badges.
    pub(in crate::cli) badges: Vec<BadgeName>,
}

impl Default for Settings {
    fn default() -> Self {
        let (policy, zone, folder, model, targets) = Default::default();
        let (authors, not_authors, badges) = Default::default();
        Self { policy, zone, folder, merges: true, bots: true, authors, not_authors, model, targets, badges }
    }
}

impl Settings {
    /// The folder of the metrics.
    pub(in crate::cli) fn folder(&self) -> &str {
        self.folder.as_deref().unwrap_or("reports/orchestration")
    }
}

/// Reads it.
pub(in crate::cli) fn parse(value: &Value) -> Result<Settings> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidValue, format!("`metrics`: {}", Printable(why)));
    let settings: Settings = value.clone().try_into().map_err(|error: toml::de::Error| wrong(error.message()))?;
    settings.zone.as_deref().map(str::parse::<Zone>).transpose()?;
    let folder = std::path::Path::new(settings.folder());
    // A project's file writes nowhere else.
    if !folder.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Err(wrong("`folder` must be a folder inside the repository, seen from its top"));
    }
    Ok(settings)
}
