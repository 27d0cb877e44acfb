//! The local page, asked over real connections.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(feature = "serve")]

#[cfg(unix)]
mod browser;
mod client;
mod door;
mod live;
mod many;
#[cfg(unix)]
mod page;

use std::sync::Arc;

use orch_core::{
    Clock, Engine, Graph, Plan, PlanOptions, RunId, RunOptions, Task, TaskContext,
    ext::serve::{Pane, ServeOptions, Server},
    store::{MemoryStore, Store},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
};

/// A server, as long as it lives.
struct Serving {
    port: u16,
    /// The path of the page, with the token.
    path: String,
    runtime: Option<Runtime>,
}

impl Serving {
    fn new(options: ServeOptions, panes: Vec<Pane>) -> Self {
        let server = Server::bind(options, panes).unwrap();
        let (port, url) = (server.port(), server.url());
        let path = url.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap().to_owned();
        let runtime = runtime();
        runtime.spawn(server.run());
        Self { port, path, runtime: Some(runtime) }
    }

    fn of(store: &MemoryStore) -> Self {
        Self::new(ServeOptions { store: Some(shared(store)), ..ServeOptions::default() }, Vec::new())
    }

    fn get(&self, rest: &str) -> client::Answer {
        client::get(self.port, &format!("{}{rest}", self.path))
    }

    /// Nothing where there is no place.
    fn try_events(&self, run: RunId, last: Option<&str>) -> Option<client::Answer> {
        let answer = client::ask_events(self.port, &format!("{}events?run={run}", self.path), last);
        (answer.status == 200).then_some(answer)
    }

    fn events(&self, run: Option<RunId>, last: Option<&str>) -> client::Answer {
        let query = run.map(|run| format!("?run={run}")).unwrap_or_default();
        client::events(self.port, &format!("{}events{query}", self.path), last)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn shared(store: &MemoryStore) -> Arc<dyn Store> {
    Arc::new(store.clone())
}

fn store() -> MemoryStore {
    MemoryStore::new(Clock::system())
}

/// A chain of so many tasks.
fn chain(tasks: usize) -> Plan {
    let mut builder = Graph::builder("chain");
    for nth in 0..tasks {
        let task = Task::new(format!("t{nth}")).agent("worker");
        builder = builder.task(if nth > 0 { task.after(format!("t{}", nth - 1).as_str()) } else { task });
    }
    Plan::new(&builder.build().unwrap(), &PlanOptions::default()).unwrap()
}

/// A run that goes on in the background, a task for each time that it is let.
struct Going {
    run: RunId,
    may: Arc<Semaphore>,
    _runtime: Runtime,
}

impl Going {
    fn start(store: &MemoryStore, plan: &Plan) -> Self {
        let may = Arc::new(Semaphore::new(0));
        let gate = may.clone();
        let work = move |task: TaskContext| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                format!("{} is done", task.id())
            }
        };
        let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
        let run = RunId::new(&Clock::system());
        let (runtime, plan) = (runtime(), plan.clone());
        runtime.spawn(async move { engine.run(&plan, RunOptions { run: Some(run), ..RunOptions::default() }).await });
        // Known to the store before anybody asks for it.
        while store.run(run).unwrap().is_none() {
            std::thread::yield_now();
        }
        Self { run, may, _runtime: runtime }
    }

    fn step(&self, tasks: usize) {
        self.may.add_permits(tasks);
    }
}
