//! The graph: immutable, checked, acyclic.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Serialize};

use super::{breaker::BreakerOptions, builder::GraphBuilder, claim::Resource, csr::Csr, task::Task};
use crate::{
    error::{Problem, Result},
    id::{ResourceId, TaskId, TaskIx},
};

/// Tasks and their dependencies, checked: names are unique, every dependency exists, there is no cycle.
///
/// Immutable and cheap to clone. Tasks are named by [`TaskId`] and addressed by [`TaskIx`], their place in the order of
/// definition.
///
/// ```
/// use orch_core::{Graph, Task};
///
/// let graph = Graph::builder("notes")
///     .task(Task::new("collect"))
///     .task(Task::new("draft").after("collect"))
///     .build()?;
/// let draft = graph.find("draft").unwrap();
/// assert_eq!(graph.len(), 2);
/// assert_eq!(graph.parents(draft).map(|ix| graph.id(ix).as_str()).collect::<Vec<_>>(), ["collect"]);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) name: String,
    pub(super) tasks: Vec<Task>,
    /// The tasks that have options. A run looks at no other task before it begins it.
    pub(super) optioned: Vec<u32>,
    pub(super) index: Index,
    pub(super) parents: Csr,
    pub(super) children: Csr,
    /// Every task after its dependencies.
    pub(super) order: Vec<u32>,
    pub(super) resources: BTreeMap<ResourceId, Resource>,
    pub(super) quorums: BTreeMap<String, u32>,
    pub(super) breakers: BTreeMap<String, BreakerOptions>,
    pub(super) warnings: Vec<Problem>,
    pub(super) hash: OnceLock<GraphHash>,
}

/// From names to places, without a second copy of the names.
#[derive(Clone, Default)]
pub(super) struct Index {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Index {
    #[inline]
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { table: HashTable::with_capacity(capacity), hasher: DefaultHashBuilder::default() }
    }

    #[inline]
    pub(super) fn find(&self, tasks: &[Task], id: &str) -> Option<u32> {
        self.table.find(self.hash(id), |&ix| name_of(tasks, ix) == id).copied()
    }

    /// Answers the earlier place if the name is taken.
    #[inline]
    pub(super) fn insert(&mut self, tasks: &[Task], ix: u32) -> Option<u32> {
        let id = name_of(tasks, ix);
        let hash = self.hash(id);
        if let Some(&earlier) = self.table.find(hash, |&other| name_of(tasks, other) == id) {
            return Some(earlier);
        }
        let hasher = &self.hasher;
        self.table.insert_unique(hash, ix, |&ix| hash_with(hasher, name_of(tasks, ix)));
        None
    }

    #[inline]
    fn hash(&self, id: &str) -> u64 {
        hash_with(&self.hasher, id)
    }
}

#[inline]
fn hash_with(hasher: &DefaultHashBuilder, id: &str) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(id)
}

/// In bytes: as many as the hasher takes side by side. More would only be more new memory to write to.
const HASHED_AT_ONCE: usize = 1 << 14;

#[inline]
fn name_of(tasks: &[Task], ix: u32) -> &str {
    tasks.get(ix as usize).map_or("", |task| task.id.as_str())
}

impl Graph {
    /// Starts a graph with that name. The name is for people; it may be anything.
    pub fn builder(name: impl Into<String>) -> GraphBuilder {
        GraphBuilder::new(name.into())
    }

    pub(super) fn from_inner(mut inner: Inner) -> Self {
        let optioned = (0..).zip(&inner.tasks).filter(|(_, task)| task.options.is_some());
        inner.optioned = optioned.map(|(ix, _)| ix).collect();
        Self(Arc::new(inner))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many tasks.
    pub fn len(&self) -> usize {
        self.0.tasks.len()
    }

    /// Whether there is no task. An empty graph is valid; its run is done at once.
    pub fn is_empty(&self) -> bool {
        self.0.tasks.is_empty()
    }

    /// How many dependencies.
    pub fn edges(&self) -> usize {
        self.0.parents.edges()
    }

    /// Every place, in the order of definition.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = TaskIx> + Clone + use<> {
        // INVARIANT: the builder refuses more than u32::MAX tasks.
        (0..self.0.tasks.len() as u32).map(TaskIx)
    }

    /// Every task, in the order of definition.
    #[inline]
    pub fn tasks(&self) -> &[Task] {
        &self.0.tasks
    }

    /// The task at that place.
    ///
    /// # Panics
    ///
    /// If `ix` comes from a larger graph.
    #[expect(clippy::indexing_slicing, reason = "a place of another graph is the caller's bug, as with a slice")]
    #[inline]
    pub fn task(&self, ix: TaskIx) -> &Task {
        &self.0.tasks[ix.index()]
    }

    /// The name of the task at that place. Panics as [`task`](Graph::task) does.
    pub fn id(&self, ix: TaskIx) -> &TaskId {
        &self.task(ix).id
    }

    /// Where the task with that name is.
    pub fn find(&self, id: &str) -> Option<TaskIx> {
        self.0.index.find(&self.0.tasks, id).map(TaskIx)
    }

    /// The tasks that have options of their own, from place `first` on, in the order of definition.
    pub(crate) fn with_options(&self, first: usize) -> impl Iterator<Item = TaskIx> + '_ {
        let from = self.0.optioned.partition_point(|&ix| (ix as usize) < first);
        self.0.optioned.iter().skip(from).map(|&ix| TaskIx(ix))
    }

    /// How many each task waits for, in the order of definition.
    pub(crate) fn waits(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.parents.lengths()
    }

    /// What that task waits for, each once, by place.
    #[inline]
    pub fn parents(&self, ix: TaskIx) -> impl ExactSizeIterator<Item = TaskIx> + '_ {
        self.0.parents.row(ix.0).iter().map(|&ix| TaskIx(ix))
    }

    /// What waits for that task, each once, by place.
    #[inline]
    pub fn children(&self, ix: TaskIx) -> impl ExactSizeIterator<Item = TaskIx> + '_ {
        self.0.children.row(ix.0).iter().map(|&ix| TaskIx(ix))
    }

    /// Every task after all that it waits for; the same graph always gives the same order.
    #[inline]
    pub fn topological(&self) -> impl DoubleEndedIterator<Item = TaskIx> + ExactSizeIterator + '_ {
        self.0.order.iter().map(|&ix| TaskIx(ix))
    }

    /// What tasks claim, by name. A resource without an entry has no limits.
    pub fn resources(&self) -> &BTreeMap<ResourceId, Resource> {
        &self.0.resources
    }

    /// How many tasks of a group must succeed. A group without an entry needs all.
    pub fn quorums(&self) -> &BTreeMap<String, u32> {
        &self.0.quorums
    }

    /// How circuit breakers behave. One that tasks name and that has no entry behaves as [`BreakerOptions::default`].
    pub fn breakers(&self) -> &BTreeMap<String, BreakerOptions> {
        &self.0.breakers
    }

    /// What is odd about the graph but does not stop it.
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    /// The content hash: the same for the same tasks, options and dependencies, whatever the graph's name. Computed once.
    #[inline]
    pub fn hash(&self) -> GraphHash {
        *self.0.hash.get_or_init(|| {
            // Many small pieces are hashed several times slower than one large one.
            let (mut hasher, mut pieces) =
                (blake3::Hasher::new(), Vec::with_capacity((self.len() * 64).min(HASHED_AT_ONCE + 1024)));
            let mut feed = |bytes: &[u8]| {
                pieces.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                pieces.extend_from_slice(bytes);
                if let Some(whole) = pieces.get(..HASHED_AT_ONCE) {
                    hasher.update(whole);
                    // What is left begins at a whole piece again, which is how the hasher is quick.
                    pieces.drain(..HASHED_AT_ONCE);
                }
            };
            for ix in self.indices() {
                let task = self.task(ix);
                feed(task.id.as_str().as_bytes());
                feed(&task.estimate.unwrap_or_default().as_nanos().to_le_bytes());
                if let Some(options) = &task.options {
                    // Serialising plain data to a buffer cannot fail; a map with other than text keys cannot occur here.
                    feed(&serde_json::to_vec(options).unwrap_or_default());
                }
                for parent in self.0.parents.row(ix.0) {
                    feed(&parent.to_le_bytes());
                }
            }
            feed(
                &serde_json::to_vec(&(self.0.resources.values().collect::<Vec<_>>(), &self.0.quorums))
                    .unwrap_or_default(),
            );
            if !self.0.breakers.is_empty() {
                feed(&serde_json::to_vec(&self.0.breakers).unwrap_or_default());
            }
            GraphHash(*hasher.update(&pieces).finalize().as_bytes())
        })
    }

    /// The same graph with more tasks, which may depend on old and new ones; `before` names old tasks that now wait for
    /// all the new ones. Old places stay as they are; the new tasks come after them.
    ///
    /// # Errors
    ///
    /// [`InvalidDefinition`](crate::ErrorKind::InvalidDefinition) with every problem of the whole, a cycle with its path.
    pub fn extended(&self, tasks: Vec<Task>, before: &[TaskId]) -> Result<Self> {
        let mut builder = self.to_builder();
        let new: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
        builder = builder.tasks(tasks);
        for id in before {
            for dependency in &new {
                builder = builder.dependency(dependency.clone(), id.clone());
            }
        }
        builder.build()
    }

    /// The graph without these tasks; who waits for them does not any more.
    ///
    /// # Errors
    ///
    /// Those of [`GraphBuilder::build`].
    pub(crate) fn without(&self, gone: &BTreeSet<TaskId>) -> Result<Self> {
        let mut tasks = self.definitions();
        tasks.retain(|task| !gone.contains(&task.id));
        tasks.iter_mut().for_each(|task| task.after.retain(|id| !gone.contains(id)));
        self.builder_of(tasks).build()
    }

    /// The same graph, of which each task is done by the function with that hash, in the order of the tasks: it stands as the tool
    /// `function` in the [sources](crate::TaskOptions::sources) of the task, instead of one of that name. So a task whose function was
    /// edited is another task.
    ///
    /// ```
    /// use orch_core::{Graph, Task};
    ///
    /// let graph = Graph::builder("g").task(Task::new("a")).build()?;
    /// let [once, again, edited] = ["1f", "1f", "2c"].map(|hash| graph.with_functions([hash]).hash());
    /// assert!(once == again && once != edited);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_functions<H: Into<String>>(&self, hashes: impl IntoIterator<Item = H>) -> Self {
        let mut inner = Inner { hash: OnceLock::new(), ..Inner::clone(&self.0) };
        for (task, hash) in inner.tasks.iter_mut().zip(hashes) {
            let options = task.options.get_or_insert_default();
            let sources = options.sources.get_or_insert_default();
            sources.tools.insert("function".to_owned(), hash.into());
        }
        Self::from_inner(inner)
    }

    /// The same graph, where those of whom `agent` knows one are done by that agent.
    pub(crate) fn with_agents<'a>(&self, agent: impl Fn(&TaskId) -> Option<&'a str>) -> Self {
        let mut inner = Inner { hash: OnceLock::new(), ..Inner::clone(&self.0) };
        for task in &mut inner.tasks {
            if let Some(agent) = agent(&task.id) {
                task.options.get_or_insert_default().agent = Some(agent.to_owned());
            }
        }
        Self::from_inner(inner)
    }

    /// A builder that holds what this graph holds.
    pub fn to_builder(&self) -> GraphBuilder {
        self.builder_of(self.definitions())
    }

    fn builder_of(&self, tasks: Vec<Task>) -> GraphBuilder {
        let mut builder = Self::builder(self.name()).tasks(tasks).warnings(self.warnings().to_vec());
        builder = self.resources().values().cloned().fold(builder, GraphBuilder::resource);
        for (group, &least) in self.quorums() {
            builder = builder.quorum(group, least);
        }
        for (name, options) in self.breakers() {
            builder = builder.breaker(name, options.clone());
        }
        builder
    }

    /// The tasks with their dependencies by name, as they were given to the builder.
    fn definitions(&self) -> Vec<Task> {
        self.indices()
            .map(|ix| {
                let mut task = self.task(ix).clone();
                task.after = self.parents(ix).map(|parent| self.id(parent).clone()).collect();
                task
            })
            .collect()
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({:?}, {} tasks, {} dependencies)", self.name(), self.len(), self.edges())
    }
}

/// The content hash of a [`Graph`]: BLAKE3, 32 bytes, shown as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GraphHash(pub(crate) [u8; 32]);

impl fmt::Display for GraphHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GraphHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for GraphHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The JSON form of a graph: what crosses to other languages and into the store.
#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    pub(super) name: String,
    pub(super) tasks: Vec<Task>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Resource>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) quorums: BTreeMap<String, u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) breakers: BTreeMap<String, BreakerOptions>,
}

impl Serialize for Graph {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let form = Form {
            name: self.name().to_owned(),
            tasks: self.definitions(),
            resources: self.resources().values().cloned().collect(),
            quorums: self.quorums().clone(),
            breakers: self.breakers().clone(),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Form::deserialize(deserializer)?.builder().build().map_err(serde::de::Error::custom)
    }
}
