//! `orch actions report`: what runs were and cost.

use std::{path::Path, time::Duration};

use super::{gh::Gh, load_runs, put};
use crate::{
    Clock, WallTime,
    cli::{args_actions::Report, exit::Exit, streams::Console},
    error::Result,
    ext::actions::{Dashboard, WorkflowRun, read_runs},
    id::Printable,
};

const FIELDS: &str = "databaseId,workflowName,event,headBranch,status,conclusion,createdAt,startedAt,updatedAt";
const MONTH: Duration = Duration::from_secs(30 * 86_400);
/// GitHub tells of no more runs at once.
const MOST_RUNS: usize = 1_000;
/// No time is asked for in smaller parts.
const LEAST_PART: Duration = Duration::from_secs(3_600);

pub(super) fn main(args: &Report, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let now = Clock::system().wall();
    let to = args.to.unwrap_or(now);
    let from = args.from.unwrap_or(WallTime(to.0.saturating_sub(millis(MONTH))));
    let runs = match args.files.as_slice() {
        [] => ask(from, to, args.jobs, &Gh(here), console)?,
        files => load_runs(files, here)?,
    };
    let board = Dashboard::new(&runs, from, to)?;
    if args.json {
        console.json(&board.json(now));
    } else {
        console.result(&board.text());
    }
    if let Some(path) = &args.html {
        put(&here.join(path), &board.html())?;
        console.note(format_args!("wrote {}", Printable(&path.display().to_string())));
    }
    Ok(Exit::Done)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The runs of that time and the jobs of the latest of them, from `gh`.
fn ask(from: WallTime, to: WallTime, jobs: usize, gh: &Gh<'_>, console: &mut Console<'_>) -> Result<Vec<WorkflowRun>> {
    let mut texts = Vec::new();
    let mut parts = vec![(from, to)];
    while let Some((from, to)) = parts.pop() {
        let created = format!("{}..{}", second(from), second(to));
        let limit = MOST_RUNS.to_string();
        let text = gh.ask(&["run", "list", "--limit", &limit, "--created", &created, "--json", FIELDS])?;
        let all = read_runs(&[&text])?.len() < MOST_RUNS;
        let middle = WallTime(from.0 + to.0.saturating_sub(from.0) / 2);
        if all || middle.0 - from.0 < millis(LEAST_PART) {
            if !all {
                let since = second(from);
                console.warning(format_args!(
                    "GitHub tells of {MOST_RUNS} runs at once, and there were more after {since}"
                ));
            }
            texts.push(text);
        } else {
            // What was told was the latest; by halves nothing is left out.
            parts.extend([(from, middle), (middle, to)]);
        }
    }
    let runs = read_runs(&texts)?;
    let mut over: Vec<&WorkflowRun> = runs.iter().filter(|run| run.is_over()).collect();
    over.sort_by_key(|run| std::cmp::Reverse(run.created));
    let asked = over.len().min(jobs);
    if asked > 0 {
        console.note(format_args!("asking `gh` for the jobs of {asked} runs"));
    }
    for (nth, run) in over.iter().take(jobs).enumerate() {
        let path = format!("repos/{{owner}}/{{repo}}/actions/runs/{}/jobs?filter=all&per_page=100", run.id);
        match gh.ask(&["api", "--paginate", &path]) {
            Ok(text) => texts.push(text),
            Err(error) => {
                // Such as too many questions: what is known is worth showing.
                console.warning(format_args!("{error}; {} runs are without their jobs", over.len() - nth));
                break;
            }
        }
    }
    read_runs(&texts)
}

/// A time to the second, as GitHub's search takes it.
fn second(time: WallTime) -> String {
    let text = time.to_string();
    format!("{}Z", text.split(['.', 'Z']).next().unwrap_or_default())
}
