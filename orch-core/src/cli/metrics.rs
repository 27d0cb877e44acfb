//! `orch metrics`: what orchestration costs and saves.

mod alert;
mod rotate;
mod settings;
mod table;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

pub(super) use self::settings::{Settings, parse};
use super::{
    args_metrics::{Metrics, MetricsCommand, Query},
    config::Config,
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::metrics::{
        Aggregate, Facts, MetricsOptions, Rules, Updated, collect, report_html, report_markdown, write_whole,
    },
    git::{Git, GitOptions},
    id::Printable,
    store::{SqliteOptions, SqliteStore, Store},
};

/// The name of the file that the scripts had.
const FILE: &str = "aggregated_metrics.json";

/// A repository, what its settings say, and what was counted in it.
pub(super) struct Counted {
    pub(super) git: Git,
    pub(super) top: PathBuf,
    pub(super) config: Config,
    pub(super) aggregate: Aggregate,
    pub(super) store: Option<Arc<dyn Store>>,
}

/// Where it is counted.
fn repository(query: &Query, here: &Path) -> Result<(Git, PathBuf, Config)> {
    let directory = query.repo.as_ref().map_or_else(|| here.to_owned(), |repo| here.join(repo));
    let git = Git::new(&directory, GitOptions::default());
    // A bare repository has no top.
    let top = match git.top() {
        Ok(top) => top,
        Err(_) => git.common_dir()?,
    };
    let config = Config::load(None, &directory)?;
    Ok((git, top, config))
}

/// Counts what was asked for.
pub(super) fn count(query: &Query, here: &Path) -> Result<Counted> {
    let (git, top, config) = repository(query, here)?;
    let head = if query.rev == "HEAD" { git.reference("HEAD")? } else { Some(git.commit(&query.rev)?) };
    let settings = &config.metrics;
    let either = |said: &[String], set: &[String]| if said.is_empty() { set.to_vec() } else { said.to_vec() };
    let zone = query.zone.as_deref().or(settings.zone.as_deref()).unwrap_or("UTC").parse()?;
    let options = MetricsOptions {
        policy: query.policy.unwrap_or(settings.policy),
        rules: Rules {
            merges: settings.merges && !query.no_merges,
            bots: settings.bots && !query.no_bots,
            authors: either(&query.authors, &settings.authors),
            not_authors: either(&query.not_authors, &settings.not_authors),
        },
        zone,
        since: query.since,
        // What came later has not happened yet.
        until: query.until.into_iter().chain(query.at.map(|at| at.after(Duration::from_millis(1)))).min(),
        model: settings.model,
        ..MetricsOptions::at(query.at.unwrap_or_else(|| Clock::system().wall()))
    };
    let path = store::path(query.place.store.as_deref(), git.directory())?;
    // To ask is no reason to make one.
    let store: Option<Arc<dyn Store>> =
        if path.exists() { Some(Arc::new(SqliteStore::open(path, SqliteOptions::default())?)) } else { None };
    let facts = match &store {
        Some(store) => Facts::load(store, &config.prices, options.since, options.until)?,
        None => Facts::default(),
    };
    let aggregate = collect(&git, head.as_ref(), options, &facts)?;
    Ok(Counted { git, top, config, aggregate, store })
}

impl Counted {
    /// The folder of the metrics.
    fn folder(&self) -> PathBuf {
        self.top.join(self.config.metrics.folder())
    }

    /// Takes over what the file has of other machines; a window has nothing of it.
    pub(super) fn take_over(&mut self, query: &Query, console: &mut Console<'_>) -> Result<()> {
        if query.since.is_some() || query.until.is_some() {
            return Ok(());
        }
        let path = self.folder().join(FILE);
        if let Some(problem) = self.aggregate.take_over(&path)? {
            let path = shown(&path);
            console.warning(format_args!("`{path}` is not trusted: {problem}; `orch metrics update` makes it again"));
        }
        Ok(())
    }
}

pub(super) fn shown(path: &Path) -> String {
    Printable(&path.display().to_string()).to_string()
}

/// Runs `orch metrics`.
pub(super) fn main(args: &Metrics, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(MetricsCommand::Rotate { check, force }) = &args.command {
        let (_, top, config) = repository(&args.query, here)?;
        return rotate::main(args, (*check, *force), top, &config, console);
    }
    if args.command.is_some() && (args.query.since.is_some() || args.query.until.is_some()) {
        let message = "this goes by all of the history; leave out --since and --until";
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let mut counted = count(&args.query, here)?;
    if let Some(MetricsCommand::Update { check }) = args.command {
        return update(args.json, check, &mut counted, console);
    }
    counted.take_over(&args.query, console)?;
    match &args.command {
        None => {
            if args.json {
                console.json(&counted.aggregate.form(args.leaderboard));
            } else {
                console.result(&table::text(&counted.aggregate, args.leaderboard, console.paint_out()));
            }
            Ok(Exit::Done)
        }
        Some(MetricsCommand::Report { html, print }) => {
            let markdown = report_markdown(&counted.aggregate, args.leaderboard);
            if *print {
                console.result(&markdown);
            } else {
                let path = counted.folder().join("README.md");
                write_whole(&path, markdown.as_bytes())?;
                console.result(&format!("{}\n", shown(&path)));
            }
            if let Some(html) = html {
                let name = counted.top.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let path = here.join(html);
                write_whole(&path, report_html(&counted.aggregate, &name, args.leaderboard).as_bytes())?;
                console.result(&format!("{}\n", shown(&path)));
            }
            Ok(Exit::Done)
        }
        Some(MetricsCommand::Alert { rate, savings, saved_usd, dry_run }) => {
            let mut targets = counted.config.metrics.targets;
            targets.rate = rate.or(targets.rate);
            targets.savings = savings.or(targets.savings);
            targets.saved_usd = saved_usd.or(targets.saved_usd);
            alert::main(args.json, *dry_run, targets, &counted, console)
        }
        // Answered above.
        Some(MetricsCommand::Rotate { .. } | MetricsCommand::Update { .. }) => Ok(Exit::Done),
    }
}

fn update(as_json: bool, check: bool, counted: &mut Counted, console: &mut Console<'_>) -> Result<Exit> {
    let path = counted.folder().join(FILE);
    let Updated { changes, problem } = counted.aggregate.update(&path, check)?;
    if let Some(problem) = &problem {
        console
            .warning(format_args!("`{}` is not trusted, it is made again from the history: {problem}", shown(&path)));
    }
    if as_json {
        let problem = problem.as_ref().map(ToString::to_string);
        console
            .json(&json!({"version": 1, "file": path.display().to_string(), "changes": changes, "problem": problem}));
    } else {
        let what = match (changes, check) {
            (false, _) => "is up to date",
            (true, true) => "would change",
            (true, false) => "was written",
        };
        console.result(&format!("{} {what}\n", shown(&path)));
    }
    Ok(if changes && check { Exit::Failed } else { Exit::Done })
}
