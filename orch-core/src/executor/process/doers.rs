//! Agents some of which are programs, and some functions of the host.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::Agents;
use crate::{definition::Graph, error::Problem, id::TaskIx, plan::Candidate};

/// Which agents are programs, and which are functions in the language of the host. A function goes before a program of the same name,
/// both before whoever stands for all others: `*`.
///
/// ```
/// use orch_core::{Agents, Graph, Task, executor::Doers, plan::Candidate};
///
/// let functions = vec![Candidate { name: "*".into(), ..Candidate::default() }];
/// let doers = Doers::new(Agents::default().with("tester", ["make", "test"]), functions);
/// let graph = Graph::builder("g").task(Task::new("a").agent("tester")).task(Task::new("b").agent("writer")).build()?;
/// assert!(doers.is_program(&graph, 0.into(), false) && !doers.is_program(&graph, 1.into(), false));
/// assert!(doers.problems(&graph).is_empty());
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Doers {
    programs: Agents,
    functions: BTreeMap<String, Candidate>,
}

impl Doers {
    /// These programs, and functions of these names, of which also stands what they can do and how many at once.
    pub fn new(programs: Agents, functions: Vec<Candidate>) -> Self {
        Self { programs, functions: functions.into_iter().map(|one| (one.name.clone(), one)).collect() }
    }

    /// The programs.
    pub fn programs(&self) -> &Agents {
        &self.programs
    }

    /// What stops tasks of that graph from running, or from being undone: agents that are neither, as [`Agents::problems`] tells them.
    pub fn problems(&self, graph: &Graph) -> Vec<Problem> {
        let mut problems = self.programs.problems(graph);
        problems.retain(|problem| {
            let path = problem.path.strip_prefix("tasks.").unwrap_or(&problem.path);
            let (id, undo) = path.strip_suffix(".undo").map_or((path, false), |id| (id, true));
            graph.find(id).is_none_or(|ix| self.is_program(graph, ix, undo))
        });
        problems
    }

    /// Whether no function does that task, or takes it back.
    pub fn is_program(&self, graph: &Graph, task: TaskIx, undo: bool) -> bool {
        let options = graph.task(task).options();
        let to_undo = || options.undo.as_ref()?.agent.as_deref();
        let agent = undo.then(to_undo).flatten().or(options.agent.as_deref());
        let is = |known: &dyn Fn(&str) -> bool| agent.is_some_and(known);
        let own_program = || is(&|name| self.programs.iter().any(|(other, _)| other == name));
        !is(&|name| self.functions.contains_key(name))
            && (own_program() || !self.functions.contains_key(Agents::DEFAULT))
    }

    /// Who can be given tasks that ask for a capability, and how many each does at once.
    pub fn candidates(&self) -> Vec<Candidate> {
        let programs = self.programs.candidates().into_iter().filter(|one| !self.functions.contains_key(&one.name));
        self.functions.values().cloned().chain(programs).collect()
    }
}

impl Agents {
    /// Who can be given tasks that ask for a capability, and how many each does at once.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(name, agent): (&str, &super::Agent)| Candidate {
            name: name.to_owned(),
            capabilities: agent.capabilities.clone(),
            at_once: agent.at_once.map(NonZeroU32::get),
            ..Candidate::default()
        };
        self.iter().map(candidate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn named(name: &str) -> Candidate {
        Candidate { name: name.to_owned(), ..Candidate::default() }
    }

    #[test]
    fn functions_go_before_programs_and_names_before_the_star() {
        let undone = Task::new("c").agent("f").undo("p");
        let graph = Graph::builder("g")
            .task(Task::new("a").agent("f"))
            .task(Task::new("b").agent("p"))
            .task(undone)
            .task(Task::new("d"))
            .build()
            .unwrap();
        let programs = || Agents::default().with("p", ["true"]).with("f", ["true"]);
        let is = |doers: &Doers| {
            [(0, false), (1, false), (2, false), (2, true), (3, false)]
                .map(|(task, undo)| doers.is_program(&graph, TaskIx::from(task), undo))
        };
        assert_eq!(is(&Doers::new(programs(), vec![named("f")])), [false, true, false, true, true]);
        assert_eq!(is(&Doers::new(programs(), vec![named("*")])), [true, true, true, true, false]);
        let doers = Doers::new(Agents::default().with("p", ["true"]), vec![named("f")]);
        assert_eq!(doers.problems(&graph).iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["tasks.d"]);
        let doers = Doers::new(Agents::default(), vec![named("f")]);
        assert_eq!(doers.problems(&graph).len(), 2, "`p` at `b`, and whoever does `d`");
    }

    #[test]
    fn a_function_is_a_candidate_and_its_program_is_not() {
        let function = Candidate { at_once: Some(2), ..named("f") };
        let doers = Doers::new(Agents::default().with("p", ["true"]).with("f", ["true"]), vec![function.clone()]);
        assert_eq!(doers.candidates(), [function, named("p")]);
    }
}
