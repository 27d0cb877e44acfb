//! What a person sees while a run goes on, on stderr.
//!
//! On a terminal a picture of a few lines that redraws itself at most ten times a second, and only when it changed;
//! elsewhere a line for each task that ends. Failures are always lines, with what the program wrote last.

mod frame;
mod lines;
mod watch;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    frame::{Slots, frame},
    lines::line,
    watch::Watch,
};
use super::streams::Console;
use crate::{
    definition::Graph,
    event::{Event, EventKind},
    plan::Plan,
    report::Short,
};

/// How often the picture is looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How long a run goes on before it gets a picture.
const PATIENCE: Duration = Duration::from_millis(150);

/// Without a terminal: how long nothing may be said, before a line says that all is well. CI ends jobs that are silent.
const SILENCE: Duration = Duration::from_secs(60);

/// Shows a run.
#[derive(Debug)]
pub(super) struct View {
    watch: Watch,
    shape: Shape,
    spoke: Duration,
}

#[derive(Debug)]
enum Shape {
    Quiet,
    Lines,
    Live { bar: ProgressBar, slots: Slots, drawn: Vec<String> },
}

impl View {
    pub(super) fn new(plan: &Plan, console: &Console<'_>) -> Self {
        let shape = if console.is_quiet() {
            Shape::Quiet
        } else if console.is_live() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
            Shape::Live { bar, slots: Slots::default(), drawn: Vec::new() }
        } else {
            Shape::Lines
        };
        Self { watch: Watch::new(plan), shape, spoke: Duration::ZERO }
    }

    /// Shows an event.
    pub(super) fn on(&mut self, event: &Event, console: &mut Console<'_>) {
        let wanted = match &self.shape {
            Shape::Quiet => false,
            Shape::Lines => true,
            // The picture counts what went well; only what did not is worth a line of its own.
            Shape::Live { .. } => !matches!(
                &event.kind,
                EventKind::TaskFinished { result: Ok(_), .. }
                    | EventKind::TaskCached { .. }
                    | EventKind::TaskRestored { .. }
                    | EventKind::TaskSkipped { .. }
                    | EventKind::UndoFinished { result: Ok(_), .. }
            ),
        };
        if wanted && let Some(text) = line(&self.watch, event, console.paint_err()) {
            self.above(console, |console| console.note(text));
            self.spoke = event.at;
        }
        self.watch.on(event);
    }

    /// Looks at the clock.
    pub(super) fn tick(&mut self, now: Duration, console: &mut Console<'_>) {
        match &mut self.shape {
            Shape::Quiet => {}
            Shape::Lines if now.saturating_sub(self.spoke) < SILENCE => {}
            Shape::Lines => {
                self.spoke = now;
                let progress = self.watch.progress();
                let running = progress.running(now);
                let names: Vec<String> =
                    running.iter().take(3).map(|running| self.watch.id(running.task).to_string()).collect();
                let more = running.len().saturating_sub(names.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let counts = progress.counts();
                console.note(format_args!(
                    "… {}/{} done after {}, running: {}{more}",
                    counts.finished(),
                    counts.total(),
                    Short(now),
                    names.join(", ")
                ));
            }
            // A run that is over at once needs no picture that flashes up.
            Shape::Live { .. } if now < PATIENCE => {}
            Shape::Live { bar, slots, drawn } => {
                let (height, width) = console::Term::stderr().size();
                // The last column stays free: some terminals wrap when it is written to.
                let size = (usize::from(width).saturating_sub(1), usize::from(height));
                let lines = frame(&mut self.watch, slots, now, size, console.paint_err());
                if lines != *drawn {
                    // Draws it, too.
                    bar.set_message(lines.join("\n"));
                    *drawn = lines;
                }
            }
        }
    }

    /// The graph, with the tasks that the run added.
    pub(super) fn graph(&self) -> &Graph {
        self.watch.progress().graph()
    }

    /// Writes above the picture.
    pub(super) fn above(&self, console: &mut Console<'_>, write: impl FnOnce(&mut Console<'_>)) {
        match &self.shape {
            Shape::Live { bar, .. } => bar.suspend(|| write(console)),
            Shape::Lines | Shape::Quiet => write(console),
        }
    }

    /// Takes the picture away.
    pub(super) fn end(&mut self) {
        if let Shape::Live { bar, .. } = &self.shape {
            bar.finish_and_clear();
        }
    }
}
