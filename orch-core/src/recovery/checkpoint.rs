//! Named moments of a run, and the way back to one.
//!
//! ```
//! use orch_core::{Graph, Output, Task, TaskState};
//! use orch_core::recovery::{checkpoint::{Checkpoint, Saved}, saga::{End, Ended}};
//!
//! let graph = Graph::builder("release")
//!     .task(Task::new("build"))
//!     .task(Task::new("publish").after("build").undo("unpublish"))
//!     .task(Task::new("announce").after("publish"))
//!     .build()?;
//! let saved = Saved { task: "build".into(), state: TaskState::Succeeded, output: Output::from("v1.tar") };
//! let built = Checkpoint { name: "built".into(), tasks: vec![saved], ..Checkpoint::default() };
//!
//! // Since then `publish` has worked, and `announce` has not.
//! let ended: Vec<Ended> = [0, 1].map(|at| Ended { task: at.into(), how: End::Done }).into();
//! let back = built.back(&graph, &ended)?;
//! let names = |tasks: &[orch_core::TaskIx]| tasks.iter().map(|&ix| graph.id(ix).to_string()).collect::<Vec<_>>();
//! assert_eq!(names(&back.undo), ["publish"]);
//! assert_eq!(names(&back.again), ["publish", "announce"]);
//! assert_eq!(back.restore[0].output, Output::from("v1.tar"), "`build` is not run again");
//! # Ok::<(), orch_core::Error>(())
//! ```

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::saga::{End, Ended, order, standing};
use crate::{
    definition::{Graph, nearest},
    error::{Error, ErrorKind, Result},
    event::{Output, TaskState},
    id::{Printable, RunId, TaskId, TaskIx},
    report::{Report, TaskResult},
    units::Millis,
};

/// A named moment of a run: which tasks had ended so that their dependents may go on, and what they made.
///
/// In JSON it may be kept in a file. An output of a Rust type ([`Output::typed`]) has no JSON form; a task that made one is
/// run again when its checkpoint was read back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// What it is called.
    pub name: String,
    /// The run that it was made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When, since the start of that run.
    #[serde(rename = "at_ms", with = "at_ms")]
    pub at: Duration,
    /// The tasks, in the order in which they ended.
    pub tasks: Vec<Saved>,
}

/// A task in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Its name.
    pub task: TaskId,
    /// How it ended: it succeeded, was skipped by a condition, or its failure was forgiven.
    pub state: TaskState,
    /// What it made.
    pub output: Output,
}

/// A task that is taken over from a checkpoint instead of being run.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// Which task.
    pub task: TaskIx,
    /// How it ended then.
    pub state: TaskState,
    /// What it made then.
    pub output: Output,
}

/// The way back to a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Back {
    /// The tasks that are as they were then, in the order in which they ended.
    pub restore: Vec<Restored>,
    /// The tasks that did something since and can be undone, in the order in which they are.
    pub undo: Vec<TaskIx>,
    /// The tasks that are run, again or for the first time, in the order of definition.
    pub again: Vec<TaskIx>,
}

impl Checkpoint {
    /// The latest checkpoint of that name that a run made, with what its tasks had made by then; `None` if it made none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Report, Task};
    /// use orch_core::recovery::checkpoint::Checkpoint;
    ///
    /// let graph = Graph::builder("release").task(Task::new("build")).build()?;
    /// let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
    /// let build = graph.find("build").unwrap();
    /// let events = [
    ///     EventKind::TaskFinished { task: build, attempt: 1, result: Ok(Output::from("v1.tar")), usage: None },
    ///     EventKind::CheckpointMade { name: "built".into(), tasks: [build].into() },
    /// ];
    /// for (seq, kind) in (0..).zip(events) {
    ///     report.on(&Event { seq, at: Duration::from_secs(seq), kind });
    /// }
    /// assert_eq!(Checkpoint::of(&report, "built").unwrap().tasks[0].output, Output::from("v1.tar"));
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn of(report: &Report, name: &str) -> Option<Self> {
        let made = report.checkpoints().iter().rev().find(|made| &*made.name == name)?;
        let mut ended: Vec<_> = made.tasks.iter().map(|&ix| report.task(ix)).collect();
        ended.sort_by_key(TaskResult::finished);
        let saved = |task: TaskResult<'_>| Saved {
            task: task.id().clone(),
            // What was undone since had worked then.
            state: if task.state() == TaskState::Undone { TaskState::Succeeded } else { task.state() },
            output: task.output().clone(),
        };
        let tasks = ended.into_iter().map(saved).collect();
        Some(Self { name: name.to_owned(), run: report.run(), at: made.at, tasks })
    }

    /// The same with only those of its tasks that still stand at the end of that run: what to keep, in a file perhaps, of a run
    /// that another one will go on from by [`restore`](Checkpoint::restore).
    pub fn left(report: &Report, name: &str) -> Option<Self> {
        let mut checkpoint = Self::of(report, name)?;
        let stands: HashSet<TaskIx> = standing(report).iter().map(|ended| ended.task).collect();
        checkpoint
            .tasks
            .retain(|saved| report.graph().find(saved.task.as_str()).is_some_and(|ix| stands.contains(&ix)));
        Some(checkpoint)
    }

    /// What a run of that graph takes over from a checkpoint all of which still stands, as [`left`](Checkpoint::left) answers it.
    ///
    /// # Errors
    ///
    /// Those of [`back`](Checkpoint::back).
    pub fn restore(&self, graph: &Graph) -> Result<Vec<Restored>> {
        let ended = |saved: &Saved| Some(Ended { task: graph.find(saved.task.as_str())?, how: End::Done });
        let ended: Vec<Ended> = self.tasks.iter().filter_map(ended).collect();
        Ok(self.back(graph, &ended)?.restore)
    }

    /// How a run of that graph goes back to this checkpoint. `ended` is what stands now, in the order in which it ended:
    /// what has been undone meanwhile is not in it.
    ///
    /// A task is restored if it is in the checkpoint, still stands, and so does everything that it was built on. All else
    /// is run; what of it has left something that can be undone, is undone before, whatever its
    /// [`on`](crate::Undo::on) says.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the checkpoint has tasks that the graph does not have.
    pub fn back(&self, graph: &Graph, ended: &[Ended]) -> Result<Back> {
        let unknown: Vec<String> = self
            .tasks
            .iter()
            .filter(|saved| graph.find(saved.task.as_str()).is_none())
            .map(|saved| unknown(graph, saved))
            .collect();
        if !unknown.is_empty() {
            let message = format!("the checkpoint `{}` does not fit: {}", Printable(&self.name), unknown.join("; "));
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut stands = vec![None; graph.len()];
        for ended in ended {
            if let Some(stands) = stands.get_mut(ended.task.index()) {
                *stands = Some(ended.how);
            }
        }
        let mut saved: Vec<Option<&Saved>> = vec![None; graph.len()];
        for task in self.tasks.iter().filter(|task| task.is_whole()) {
            if let Some(ix) = graph.find(task.task.as_str())
                && let Some(slot) = saved.get_mut(ix.index())
            {
                *slot = Some(task);
            }
        }
        let mut whole = vec![false; graph.len()];
        for ix in graph.topological() {
            let here = saved.get(ix.index()).is_some_and(Option::is_some)
                && stands.get(ix.index()).is_some_and(Option::is_some)
                && graph.parents(ix).all(|parent| whole.get(parent.index()).copied().unwrap_or_default());
            if let Some(whole) = whole.get_mut(ix.index()) {
                *whole = here;
            }
        }
        let is_whole = |ix: TaskIx| whole.get(ix.index()).copied().unwrap_or_default();
        let restore = self.tasks.iter().filter_map(|saved| {
            let task = graph.find(saved.task.as_str()).filter(|&ix| is_whole(ix))?;
            Some(Restored { task, state: saved.state, output: saved.output.clone() })
        });
        let undone = |ix: TaskIx| {
            let how = stands.get(ix.index()).copied().flatten();
            graph.tasks().get(ix.index()).and_then(|task| task.options().undo.as_ref()).is_some_and(|undo| {
                !is_whole(ix) && (how == Some(End::Done) || (how == Some(End::Broken) && undo.itself))
            })
        };
        Ok(Back {
            restore: restore.collect(),
            undo: order(graph, ended, undone),
            again: graph.indices().filter(|&ix| !is_whole(ix)).collect(),
        })
    }
}

fn unknown(graph: &Graph, saved: &Saved) -> String {
    /// A suggestion costs a comparison with every name.
    const COMPARED: usize = 10_000;
    let near = nearest(saved.task.as_str(), graph.tasks().iter().take(COMPARED).map(|task| task.id().as_str()));
    let hint = near.map(|near| format!("; did you mean `{}`?", Printable(near))).unwrap_or_default();
    format!("`{}` is no task of `{}`{hint}", Printable(saved.task.as_str()), Printable(graph.name()))
}

impl Saved {
    /// Whether all of it is there: an output that had no JSON form is lost by the way through a file.
    fn is_whole(&self) -> bool {
        self.output.downcast::<Lost>().is_none()
    }
}

/// Stands for an output that was lost.
struct Lost;

/// The JSON form of a saved task.
#[derive(Serialize, Deserialize)]
struct Form {
    task: TaskId,
    state: TaskState,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    output: Value,
    /// There was an output, and it had no JSON form.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
}

impl Serialize for Saved {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let output = self.output.json().cloned().unwrap_or_default();
        let lost = output.is_null() && !self.output.is_nothing();
        Form { task: self.task.clone(), state: self.state, output, lost }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Saved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Form { task, state, output, lost } = Form::deserialize(deserializer)?;
        let output = if lost { Output::typed(Lost) } else { Output::from(output) };
        Ok(Self { task, state, output })
    }
}

mod at_ms {
    use super::{Deserialize, Deserializer, Duration, Millis, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Millis(*at).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1e3).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::{Task, Undo, testing::graphs::tasks};

    fn saved(task: &str) -> Saved {
        Saved { task: task.into(), state: TaskState::Succeeded, output: Output::from(task) }
    }

    fn checkpoint(tasks: impl IntoIterator<Item = Saved>) -> Checkpoint {
        Checkpoint { name: "then".into(), tasks: tasks.into_iter().collect(), ..Checkpoint::default() }
    }

    #[test]
    fn a_checkpoint_has_a_json_form() {
        let run = Some(RunId::from_parts(1, 2));
        let typed = Saved { output: Output::typed(1u8), ..saved("c") };
        let plain = Saved { output: Output::NOTHING, state: TaskState::Skipped, ..saved("b") };
        let whole = Checkpoint { run, at: Duration::from_micros(1_500), ..checkpoint([saved("a"), plain, typed]) };
        let form = json!({
            "name": "then", "run": "00000000-0001-7000-8000-000000000002", "at_ms": 1.5,
            "tasks": [
                {"task": "a", "state": "succeeded", "output": "a"},
                {"task": "b", "state": "skipped"},
                {"task": "c", "state": "succeeded", "lost": true},
            ],
        });
        assert_eq!(serde_json::to_value(&whole).unwrap(), form);
        let back: Checkpoint = serde_json::from_value(form).unwrap();
        assert_eq!((&back.tasks[..2], back.at), (&whole.tasks[..2], whole.at));
        assert!(whole.tasks[2].is_whole() && !back.tasks[2].is_whole());
        for wrong in [json!({"at_ms": -1}), json!({"at_ms": 1e300}), json!({"tasks": [{}]})] {
            serde_json::from_value::<Checkpoint>(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_lost_output_is_made_again() {
        let graph = Graph::builder("g").task(Task::new("a")).task(Task::new("b").after("a")).build().unwrap();
        let lost = Saved { output: Output::typed(Lost), ..saved("a") };
        let ended = [0, 1].map(|at| Ended { task: TaskIx(at), how: End::Done });
        let back = checkpoint([lost, saved("b")]).back(&graph, &ended).unwrap();
        assert_eq!((back.restore, back.again), (Vec::new(), vec![TaskIx(0), TaskIx(1)]));
    }

    #[test]
    fn tasks_that_are_gone_are_named() {
        let graph = Graph::builder("g").task(Task::new("build")).build().unwrap();
        let error = checkpoint([saved("biuld"), saved("build"), saved("\u{1b}")]).back(&graph, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        insta::assert_snapshot!(error, @r"the checkpoint `then` does not fit: `biuld` is no task of `g`; `\u{1b}` is no task of `g`");
    }

    proptest! {
        #[test]
        fn every_task_is_either_as_it_was_or_run_again(
            tasks in tasks(1..=10),
            flags in vec(any::<[bool; 4]>(), 10),
        ) {
            let tasks = tasks.into_iter().zip(&flags).map(|(task, [undo, itself, ..])| {
                task.with(|options| options.undo = undo.then(|| Undo { itself: *itself, ..Undo::by("x") }))
            });
            let graph = Graph::builder("random").tasks(tasks).build().unwrap();
            let was = |ix: TaskIx| flags[ix.index()][2];
            let stands = |ix: TaskIx| flags[ix.index()][3];
            let then = checkpoint(graph.topological().filter(|ix| was(*ix)).map(|ix| saved(graph.id(ix).as_str())));
            let how = |ix: TaskIx| if ix.index().is_multiple_of(3) { End::Broken } else { End::Done };
            let ended: Vec<Ended> =
                graph.topological().filter(|ix| stands(*ix)).map(|task| Ended { task, how: how(task) }).collect();
            let back = then.back(&graph, &ended).unwrap();

            let restored: BTreeSet<TaskIx> = back.restore.iter().map(|restored| restored.task).collect();
            let again: BTreeSet<TaskIx> = back.again.iter().copied().collect();
            prop_assert!(graph.indices().all(|ix| restored.contains(&ix) != again.contains(&ix)));
            for ix in graph.indices() {
                let base = graph.parents(ix).all(|parent| restored.contains(&parent));
                prop_assert_eq!(restored.contains(&ix), was(ix) && stands(ix) && base);
                let undo = graph.task(ix).options().undo.as_ref();
                let able = undo.is_some_and(|undo| stands(ix) && (how(ix) == End::Done || undo.itself));
                prop_assert_eq!(back.undo.contains(&ix), able && again.contains(&ix));
            }
        }
    }
}
