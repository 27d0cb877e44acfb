//! `orch badges`: badges of what orchestration costs and saves.

mod publish;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use super::{
    args_metrics::{BadgeName, Badges, BasisArg, THEMES},
    exit::Exit,
    metrics::{Counted, count, read, shown},
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::{
        badges::{
            Badge, Basis, Color, Endpoint, Style, Theme, badge_url, endpoint_url, markdown, place_block, svg, trend,
        },
        metrics::{Aggregate, Policy, write_whole},
    },
    git::{Git, GitOptions},
    id::Printable,
    session::Ledger,
    units::Usd,
};

/// How long shields may keep a figure, in seconds.
const CACHE_SECONDS: u32 = 3600;

/// A badge, its name, and what draws it.
struct One {
    name: BadgeName,
    badge: Badge,
    /// Of a trend.
    points: Option<Vec<f64>>,
}

impl One {
    fn svg(&self, style: Style, theme: Theme) -> String {
        self.points.as_ref().map_or_else(|| svg(&self.badge, style, theme), |points| trend(&self.badge, points, theme))
    }
}

/// Runs `orch badges`.
pub(super) fn main(args: &Badges, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let directory = args.query.repo.as_ref().map_or_else(|| here.to_owned(), |repo| here.join(repo));
    let local = if args.local { Some(local_folder(&Git::new(directory, GitOptions::default()))?) } else { None };
    // Before anything is counted: what is drawn last is what was counted last.
    let _turn = match &local {
        None => None,
        Some(folder) => match turn(folder)? {
            Some(turn) => Some(turn),
            None => {
                console.note("another process is about to draw them");
                return Ok(Exit::Done);
            }
        },
    };
    let mut counted = count(&args.query, here)?;
    if args.query.since.is_none() && args.query.until.is_none() {
        // What other machines measured is known only by it.
        let (path, _, problem) = counted.with_file()?;
        if let Some(problem) = problem {
            console.warning(format_args!(
                "`{}` is not trusted: {problem}; `orch metrics update` makes it again",
                shown(&path)
            ));
        }
    }
    let ones = chosen(args, &counted)?;
    let style = Style::from(args.style);
    let mut stale: Vec<String> = Vec::new();
    let mut put = |path: &Path, text: &str, console: &mut Console<'_>| -> Result<()> {
        if read(path)?.as_deref() == Some(text) {
            return Ok(());
        }
        stale.push(path.display().to_string());
        if args.check {
            return Ok(());
        }
        console.note(format_args!("wrote {}", shown(path)));
        write_whole(path, text.as_bytes())
    };
    let files = files(&ones, style);
    for folder in args.out.iter().map(|out| here.join(out)).chain(local) {
        for (name, text) in &files {
            put(&folder.join(name), text, console)?;
        }
    }
    let block = block(args, &ones, style);
    if let Some(readme) = &args.readme {
        let path = here.join(readme);
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no file `{}`", shown(&path)));
        let bytes = fs::read(&path).map_err(|error| missing().caused_by(error))?;
        let odd =
            |_| Error::new(ErrorKind::InvalidFormat, format!("`{}` is no UTF-8; it stays as it is", shown(&path)));
        let before = String::from_utf8(bytes).map_err(odd)?;
        let placed = place_block(&before, &block, args.insert).map_err(|error| error.with("file", shown(&path)))?;
        put(&path, &placed.text, console)?;
    }
    let published = match &args.publish {
        Some(branch) => Some(publish::main(&counted.git, branch, &files)?),
        None => None,
    };
    if args.json {
        let list: Vec<_> = ones
            .iter()
            .map(|one| json!({"name": one.name.name(), "badge": one.badge, "url": badge_url(&one.badge, style)}))
            .collect();
        console.json(&json!({"version": 1, "badges": list, "block": block, "stale": stale, "published": published}));
    } else {
        for one in &ones {
            console.result(&format!("{}\n  {}\n", Printable(&one.badge.to_string()), badge_url(&one.badge, style)));
        }
        if args.check {
            stale.iter().for_each(|path| console.note(format_args!("{} is out of date", Printable(path))));
        }
        if let Some(published) = &published {
            console.note(format_args!("{published}"));
        }
    }
    Ok(if args.check && !stale.is_empty() { Exit::Failed } else { Exit::Done })
}

/// The badges that were asked for, by name or by orch.toml.
fn chosen(args: &Badges, counted: &Counted) -> Result<Vec<One>> {
    let set = &counted.config.metrics.badges;
    let names: &[BadgeName] = match (args.only.as_slice(), set.as_slice()) {
        ([], []) => &[BadgeName::MtdCost, BadgeName::Savings],
        ([], set) => set,
        (said, _) => said,
    };
    names.iter().map(|name| one(*name, args.basis, counted)).collect()
}

fn one(name: BadgeName, basis: BasisArg, counted: &Counted) -> Result<One> {
    let (aggregate, mut points) = (&counted.aggregate, None);
    let month = aggregate.month();
    let measured = match name {
        BadgeName::MtdCost => month.measured.charges > 0,
        BadgeName::Trend => aggregate.weeks.values().any(|week| week.measured.hits > 0),
        _ => month.measured.hits > 0,
    };
    let basis = basis_of(basis, measured, aggregate);
    let (is, of) = (month.measured, aggregate.options.model.of(month.commits, aggregate.options.policy));
    let badge = match (name, basis) {
        (BadgeName::MtdCost, None) => Badge::mtd_cost(None),
        (BadgeName::MtdCost, Some(Basis::Measured)) => Badge::mtd_cost(Some((is.usd.dollars(), Basis::Measured))),
        (BadgeName::MtdCost, Some(Basis::Modelled)) => Badge::mtd_cost(Some((of.actual_usd, Basis::Modelled))),
        (BadgeName::Savings, None) => Badge::savings(None),
        (BadgeName::Savings, Some(Basis::Measured)) => {
            let (saved, spent) = (is.saved.dollars(), is.usd.dollars());
            let percent = if saved + spent > 0.0 { saved / (saved + spent) * 100.0 } else { 0.0 };
            Badge::savings(Some((saved, percent, Basis::Measured)))
        }
        (BadgeName::Savings, Some(Basis::Modelled)) => {
            Badge::savings(Some((of.saved_usd, of.savings_percentage, Basis::Modelled)))
        }
        (BadgeName::Rate, _) => {
            let known = month.commits.total > 0 && aggregate.knows();
            Badge::rate(known.then(|| month.commits.rate()))
        }
        (BadgeName::HitRate, _) => Badge::hit_rate(is.hit_rate()),
        (BadgeName::Budget, _) => Badge::budget_left(budget(counted)?),
        (BadgeName::Runs, _) => Badge::runs(Some((is.runs, is.succeeded))),
        (BadgeName::Trend, basis) => {
            let (badge, values) = weekly(aggregate, basis);
            points = Some(values);
            badge
        }
    };
    Ok(One { name, badge, points })
}

/// On what a figure of money stands, which may be `measured`; `None`: nothing is known.
fn basis_of(asked: BasisArg, measured: bool, aggregate: &Aggregate) -> Option<Basis> {
    let measured = measured.then_some(Basis::Measured);
    let modelled = (aggregate.month().commits.total > 0 && aggregate.knows()).then_some(Basis::Modelled);
    match asked {
        // Its figures are published ones, which nobody had measured.
        BasisArg::Auto if aggregate.options.policy == Policy::Compat => modelled,
        BasisArg::Auto => measured.or(modelled),
        BasisArg::Measured => measured,
        BasisArg::Modelled => modelled,
    }
}

/// What the weeks saved, each one for itself.
fn weekly(aggregate: &Aggregate, basis: Option<Basis>) -> (Badge, Vec<f64>) {
    let model = &aggregate.options.model;
    let values: Vec<f64> = match basis {
        None => Vec::new(),
        Some(Basis::Measured) => aggregate.weeks.values().map(|week| week.measured.saved.dollars()).collect(),
        Some(Basis::Modelled) => {
            aggregate.weeks.values().map(|week| model.of(week.commits, Policy::Message).saved_usd).collect()
        }
    };
    let last = values.last().copied().unwrap_or_default();
    let mark = if basis == Some(Basis::Modelled) { " modelled" } else { "" };
    (Badge::new("Savings per Week", format!("${last:.2}{mark}"), Color::of_savings(last)), values)
}

/// What is left of the first budget of a month or for ever that is for everybody, and how much it is.
fn budget(counted: &Counted) -> Result<Option<(Usd, Usd)>> {
    let Some(store) = &counted.store else { return Ok(None) };
    let ledger = Ledger::new(store.clone(), counted.config.budget.clone(), Clock::system());
    let rows = ledger.standings()?;
    let first = rows.iter().find(|row| row.of.as_object().is_none_or(serde_json::Map::is_empty));
    let Some(row) = first else { return Ok(None) };
    Ok(Some((row.left_usd.parse()?, row.usd.parse()?)))
}

/// What is written into a folder: pictures for light and for dark pages, and JSON for shields.
fn files(ones: &[One], style: Style) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for one in ones {
        for (theme, end) in THEMES {
            files.push((format!("{}{end}.svg", one.name.name()), one.svg(style, theme)));
        }
        if one.points.is_none() {
            let endpoint = Endpoint::new(&one.badge, None, Some(CACHE_SECONDS));
            files.push((format!("{}.json", one.name.name()), endpoint.to_text()));
        }
    }
    files
}

/// The line of the README.
fn block(args: &Badges, ones: &[One], style: Style) -> String {
    let picture = |one: &One| {
        let file = |place: &str, end: &str| format!("{}/{}{end}", place.trim_end_matches('/'), one.name.name());
        match (&args.pictures, &args.endpoints) {
            (Some(place), _) => file(place, ".svg"),
            (None, Some(address)) => endpoint_url(&file(address, ".json"), style),
            (None, None) => badge_url(&one.badge, style),
        }
    };
    ones.iter().map(|one| markdown(&one.badge.label, &picture(one), &args.link)).collect::<Vec<_>>().join(" ")
}

fn local_folder(git: &Git) -> Result<PathBuf> {
    Ok(local_of(&git.common_dir()?))
}

fn local_of(common: &Path) -> PathBuf {
    common.join("orch").join("badges")
}

/// Waits until nobody else draws the local badges; `None`: somebody else waits already, and will count what is there now.
fn turn(folder: &Path) -> Result<Option<File>> {
    let failed = |error| Error::new(ErrorKind::Io, format!("could not use `{}`", shown(folder))).caused_by(error);
    fs::create_dir_all(folder).map_err(failed)?;
    let next = File::create(folder.join(".next")).map_err(failed)?;
    if next.try_lock().is_err() {
        return Ok(None);
    }
    let turn = File::create(folder.join(".turn")).map_err(failed)?;
    turn.lock().map_err(failed)?;
    Ok(Some(turn))
}

/// Draws the local badges anew in a process of its own, if `orch badges --local` has made them once. Whoever commits does not wait for it.
pub(super) fn refresh(here: &Path, common: &Path) -> Result<()> {
    let folder = local_of(common);
    if !folder.is_dir() {
        return Ok(());
    }
    let failed = |error| Error::new(ErrorKind::Io, "the badges could not be drawn anew").caused_by(error);
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(["badges", "--local", "--quiet"]).current_dir(here);
    // Of git's own: they speak of the commit that is being made.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop).map_err(failed)
}
