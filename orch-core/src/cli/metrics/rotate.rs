//! `orch metrics rotate`.

use std::path::PathBuf;

use serde_json::json;

use super::shown;
use crate::{
    Clock,
    cli::{args_metrics::Metrics, config::Config, exit::Exit, streams::Console},
    error::Result,
    ext::metrics::{Records, Rotated, Step},
    id::Printable,
};

pub(super) fn main(
    args: &Metrics,
    (check, force): (bool, bool),
    top: PathBuf,
    config: &Config,
    console: &mut Console<'_>,
) -> Result<Exit> {
    let settings = &config.metrics;
    let zone = args.query.zone.as_deref().or(settings.zone.as_deref()).unwrap_or("UTC").parse()?;
    let at = args.query.at.unwrap_or_else(|| Clock::system().wall());
    let records = Records { top, folder: settings.folder().to_owned() };
    let rotation = records.look(&zone, at)?;
    for odd in &rotation.odd {
        console.warning(format_args!("`{}` has no date in its name; it stays", Printable(odd)));
    }
    let due = rotation.is_due();
    let done = if check { Rotated::default() } else { records.rotate(&rotation, force, &zone, at)? };
    if args.json {
        console.json(&json!({"version": 1, "due": due, "check": check, "steps": rotation.steps, "odd": rotation.odd, "done": done}));
    } else if check {
        let count = |wanted: fn(&Step) -> bool| rotation.steps.iter().filter(|step| wanted(step)).count();
        let records = count(|step| matches!(step, Step::Archive { .. }));
        let archives = count(|step| matches!(step, Step::Drop { .. }));
        console.result(&if due {
            format!("rotation is due: {records} records of past months, {archives} archives older than three months\n")
        } else {
            "no rotation is due\n".to_owned()
        });
    } else if due || force {
        let folder = records.top.join(&records.folder).join("archive");
        console.result(&format!(
            "{} records archived in {}, {} old archives removed\n",
            done.archived,
            shown(&folder),
            done.dropped
        ));
    } else {
        console.result("no rotation is due\n");
    }
    Ok(if check && due { Exit::Failed } else { Exit::Done })
}
