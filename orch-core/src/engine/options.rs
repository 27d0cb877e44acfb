//! How one run behaves.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use crate::{
    cost::Warming,
    id::RunId,
    recovery::checkpoint::Restored,
    run::{FailurePolicy, Rules},
    session::Resume,
};

/// How one run behaves. `RunOptions::default()`: no limit, fail fast, undo what failed, no deadline, `Inline::Auto`.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How many attempts run at once; at least 1. Default: [`RunOptions::UNLIMITED`].
    pub max_parallel: u32,
    /// What a failed task means for the others. Default: fail fast.
    pub on_failure: FailurePolicy,
    /// Whether a run that does not succeed undoes what its tasks did, where they say how. Default: yes.
    pub undo: bool,
    /// How long the run may take; then running tasks are stopped and the run has failed. To undo takes its own time. Default:
    /// no limit.
    pub deadline: Option<Duration>,
    /// What conditions and tasks read as `inputs`. Default: none.
    pub inputs: Map<String, Value>,
    /// Tasks that are not run, because they are as they were at a checkpoint of an earlier run of the same graph:
    /// [`Back::restore`](crate::recovery::checkpoint::Back::restore). The run takes their outputs over; if it fails, it does not
    /// undo them. A run that [added tasks](crate::TaskOptions::expand) is continued with a plan of its
    /// [grown graph](crate::Report::graph). Default: none.
    pub restore: Vec<Restored>,
    /// Where the jitter of retries comes from; the same seed gives the same waits. Default: 0.
    pub seed: u64,
    /// Whether one of several tasks with the same prompt prefix goes first, so that the others find it in the provider's cache,
    /// where the engine has [prices](crate::EngineBuilder::prices) and it pays. Default: no.
    pub warm: Option<Warming>,
    /// Where bodies are polled. Default: `Auto`.
    pub inline: Inline,
    /// The run's name. Default: a new one.
    pub run: Option<RunId>,
    /// What the run is made of, to find it again in the engine's [store](crate::EngineBuilder::store): a file's path, or a name.
    /// Default: nothing.
    pub source: String,
    /// The stored run that this one goes on with, under the same name and with its inputs: a plan of its
    /// [graph](Resume::graph) is to be run. In place of `run`, `source`, `inputs` and `restore`. Default: none.
    pub resume: Option<Resume>,
    /// Where `file_exists` conditions look, and the files lie that tasks [depend on](crate::definition::Sources). Default: the working directory of the process.
    pub directory: Option<PathBuf>,
    /// Whether conditions may run programs. Default: no.
    pub approve_commands: bool,
}

impl RunOptions {
    /// No limit on how many attempts run at once.
    pub const UNLIMITED: u32 = Rules::UNLIMITED;
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            max_parallel: Self::UNLIMITED,
            on_failure: FailurePolicy::default(),
            undo: true,
            deadline: None,
            inputs: Map::new(),
            restore: Vec::new(),
            seed: 0,
            warm: None,
            inline: Inline::default(),
            run: None,
            source: String::new(),
            resume: None,
            directory: None,
            approve_commands: false,
        }
    }
}

/// Where bodies are polled.
///
/// A body that waits costs least when the driver polls it itself. A body that computes must not: while it does, nothing
/// else goes on. Code that *blocks* belongs into `tokio::task::spawn_blocking` under every setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Inline {
    /// The driver measures: it polls bodies itself while polls are short (a few microseconds), else it spawns them.
    #[default]
    Auto,
    /// The driver polls every body itself: one thread.
    Always,
    /// Every body is spawned on the runtime.
    Never,
}
