//! Puts the parts of a page together.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::{
    drawing::{Drawing, drawing},
    from_plan, from_report,
    scene::{Fact, Scene, Trouble, Undone, UndoneStep},
    table::{Table, table},
    text,
    timeline::{Timeline, timeline},
};
use crate::{
    plan::Plan,
    report::{Report, render::escape_markup},
};

const TEMPLATE: &str = include_str!("page.html");
const ICONS: &str = include_str!("icons.html");
/// `theme.css` is of every page that orch draws, `run.css` (with `icons.html`) of those that show a run: this one and the live one of
/// `ext::serve`. What only one page has is in its own `page.css`.
const STYLE: &str = concat!(include_str!("theme.css"), include_str!("run.css"), include_str!("page.css"));
const SCRIPT: &str = include_str!("page.js");

/// The most tasks of the critical path that are named above the timeline.
const MOST_STEPS: usize = 12;
/// The most tasks that were undone, and that were kept, that the page lists.
const MOST_UNDONE: usize = 100;
const MOST_KEPT: usize = 30;
/// The most of a message at the top of the page, as bytes in the file.
const MOST_MESSAGE: usize = 2_000;

/// What the template asks for.
#[derive(Serialize)]
struct Page<'a> {
    nonce: String,
    style: &'static str,
    icons: &'static str,
    script: &'static str,
    version: &'static str,
    name: String,
    /// What all names begin with, where pictures leave it out.
    start: String,
    is_plan: bool,
    state: &'static str,
    headline: &'a str,
    about: &'a [String],
    facts: &'a [Fact],
    failures: Vec<Told>,
    failures_left_out: usize,
    warnings: Vec<Told>,
    warnings_left_out: usize,
    path: Vec<Step>,
    path_left_out: usize,
    path_note: &'a str,
    timeline: Option<Timeline>,
    drawing: Drawing,
    table: Table,
    data: String,
    undo: Option<UndoPart>,
    costs: &'a [[String; 4]],
}

/// What was undone, as the template shows it.
#[derive(Serialize)]
struct UndoPart {
    summary: String,
    steps: Vec<UndoStep>,
    steps_left_out: usize,
    kept: Vec<Told>,
    kept_left_out: usize,
    checkpoints: Vec<String>,
    checkpoints_left_out: usize,
}

#[derive(Serialize)]
struct UndoStep {
    task: usize,
    id: String,
    mark: &'static str,
    about: String,
    what: String,
    message: String,
}

#[derive(Serialize)]
struct Told {
    task: Option<usize>,
    id: Option<String>,
    about: String,
    message: String,
}

#[derive(Serialize)]
struct Step {
    task: usize,
    id: String,
}

/// The page of a run: what failed, a timeline with one lane a worker, the graph, and a table of all tasks.
///
/// At most 5 MB for 10,000 tasks, whatever their names and outputs are; further tasks add almost nothing.
pub fn report(report: &Report) -> String {
    render(&from_report::scene(report))
}

/// The page of a plan: the timeline to be expected with unlimited workers, the graph, and a table of all tasks.
///
/// As large as that of [`report()`].
pub fn plan(plan: &Plan) -> String {
    render(&from_plan::scene(plan))
}

/// The page. A fault of the template would be a fault of this module that its tests miss: the page then says so itself.
fn render(scene: &Scene<'_>) -> String {
    try_render(scene).unwrap_or_else(|error| {
        let said = escape_markup(text::line(&format!("{error:#}"), 2_000));
        format!("<!doctype html><meta charset=\"utf-8\"><title>orch</title><p>this page could not be drawn: {said}")
    })
}

fn try_render(scene: &Scene<'_>) -> Result<String, minijinja::Error> {
    let mut critical = vec![false; scene.graph.len()];
    for &task in &scene.path {
        if let Some(is_critical) = critical.get_mut(task) {
            *is_critical = true;
        }
    }
    let table = table(scene, &critical);
    let data = table
        .data()
        .map_err(|error| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string()))?;
    let page = Page {
        // Whoever names a task cannot know this beforehand, since it depends on all names; and the page of one run is
        // always the same.
        nonce: blake3::hash(data.as_bytes()).to_string(),
        style: STYLE,
        icons: ICONS,
        script: SCRIPT,
        version: crate::VERSION,
        name: text::line(scene.graph.name(), 600),
        start: text::line(scene.start, 200),
        is_plan: scene.is_plan,
        state: scene.state.word(),
        headline: &scene.headline,
        about: &scene.about,
        facts: &scene.facts,
        failures: told(scene, &scene.failures),
        failures_left_out: scene.failures_left_out,
        warnings: told(scene, &scene.warnings),
        warnings_left_out: scene.warnings_left_out,
        path: steps(scene),
        path_left_out: scene.path.len().saturating_sub(MOST_STEPS),
        path_note: &scene.path_note,
        timeline: timeline(scene, &critical),
        drawing: drawing(scene, &critical),
        table,
        data,
        undo: scene.undone.as_ref().map(|undone| undo(scene, undone)),
        costs: &scene.costs,
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("page.html", TEMPLATE)?;
    environment.get_template("page.html")?.render(Serde(&page))
}

fn name(scene: &Scene<'_>, task: usize, columns: usize) -> String {
    scene.graph.tasks().get(task).map_or_else(String::new, |task| text::label(task.id().as_str(), columns))
}

fn told(scene: &Scene<'_>, troubles: &[Trouble]) -> Vec<Told> {
    let told = |trouble: &Trouble| Told {
        task: trouble.task,
        id: trouble.task.map(|task| name(scene, task, 80)),
        about: text::line(&trouble.about, 200),
        message: text::block(&trouble.message, MOST_MESSAGE),
    };
    troubles.iter().map(told).collect()
}

fn undo(scene: &Scene<'_>, undone: &Undone) -> UndoPart {
    let step = |step: &UndoneStep| UndoStep {
        task: step.task,
        id: name(scene, step.task, 80),
        mark: step.mark.word(),
        about: text::line(&step.about, 200),
        what: text::line(&step.what, 300),
        message: text::block(&step.message, MOST_MESSAGE),
    };
    let kept = |(task, why): &(usize, String)| Told {
        task: Some(*task),
        id: Some(name(scene, *task, 80)),
        about: text::line(why, 200),
        message: String::new(),
    };
    UndoPart {
        summary: text::line(&undone.summary, 200),
        steps: undone.steps.iter().take(MOST_UNDONE).map(step).collect(),
        steps_left_out: undone.steps.len().saturating_sub(MOST_UNDONE),
        kept: undone.kept.iter().take(MOST_KEPT).map(kept).collect(),
        kept_left_out: undone.kept.len().saturating_sub(MOST_KEPT),
        checkpoints: undone.checkpoints.iter().take(MOST_KEPT).map(|made| text::line(made, 200)).collect(),
        checkpoints_left_out: undone.checkpoints.len().saturating_sub(MOST_KEPT),
    }
}

fn steps(scene: &Scene<'_>) -> Vec<Step> {
    scene.path.iter().take(MOST_STEPS).map(|&task| Step { task, id: scene.label(task, 28) }).collect()
}
