//! The store: runs that outlive their process. What takes long is done by the threads that Node keeps for that.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use napi::{
    Env, Task,
    bindgen_prelude::{AsyncTask, ToNapiValue, TypeName},
};
use napi_derive::napi;
use orch_core::{
    Error, ErrorKind, Result,
    locks::Locks,
    session::{self, StoreCache, StoreCacheOptions, StoreLocks, StoreLocksOptions, StoredRun, find_run, leave_wish},
    store::{SqliteOptions, SqliteStore, Store as _, Synchronous, Wish, sqlite::store_path},
};
use serde_json::{Map, Value, json};

use crate::{convert, error::Raised, graph::Graph, report::Report};

/// Something that takes a while, done on another thread; a promise in JavaScript.
pub struct Job<T>(Option<Box<dyn FnOnce() -> Result<T> + Send>>);

impl<T: Send + ToNapiValue + TypeName + 'static> Task for Job<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> napi::Result<T> {
        let done = self.0.take().map(|work| work());
        done.unwrap_or_else(|| Err(Error::new(ErrorKind::Misuse, "a job is done once"))).raised()
    }

    fn resolve(&mut self, _: Env, output: T) -> napi::Result<T> {
        Ok(output)
    }
}

/// Has it done.
pub(crate) fn later<T>(work: impl FnOnce() -> Result<T> + Send + 'static) -> AsyncTask<Job<T>>
where
    T: Send + ToNapiValue + TypeName + 'static,
{
    AsyncTask::new(Job(Some(Box::new(work))))
}

/// Plain data as text.
pub(crate) fn text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, "there is no JSON form").caused_by(error))
}

/// One file of runs, open.
#[napi]
pub struct NativeStore {
    store: Option<SqliteStore>,
    /// What tasks of kept runs claim by, from the first run on.
    locks: OnceLock<Locks>,
}

impl NativeStore {
    pub(crate) fn open(&self) -> napi::Result<SqliteStore> {
        self.store.clone().ok_or_else(|| Error::new(ErrorKind::Misuse, "the store was closed")).raised()
    }

    /// Locks that hold between processes, the same for all its runs.
    pub(crate) fn locks(&self) -> napi::Result<Locks> {
        let store = self.open()?;
        let make = || Locks::new(StoreLocks::new(Arc::new(store), StoreLocksOptions::default()));
        Ok(self.locks.get_or_init(make).clone())
    }
}

#[napi]
impl NativeStore {
    /// Opens the store at that path, or makes it; without a path, at the default place of the command line, seen from `here`.
    #[napi(constructor)]
    pub fn new(path: Option<String>, here: String, full: bool) -> napi::Result<Self> {
        let place =
            store_path(path.as_deref().map(Path::new), Path::new(&here), |name| std::env::var_os(name)).raised()?;
        let synchronous = if full { Synchronous::Full } else { Synchronous::Normal };
        let options = SqliteOptions { synchronous, ..SqliteOptions::default() };
        SqliteStore::open(place, options).raised().map(|store| Self { store: Some(store), locks: OnceLock::new() })
    }

    /// Where it is.
    #[napi(getter)]
    pub fn path(&self) -> napi::Result<String> {
        Ok(self.open()?.path().display().to_string())
    }

    /// Lets go of the file; runs that it keeps go on with it.
    #[napi]
    pub fn close(&mut self) {
        self.store = None;
        self.locks = OnceLock::new();
    }

    /// The runs, the latest first, in their JSON form.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn runs(&self, source: Option<String>, limit: u32) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || {
            let rows = store.runs(source.as_deref(), limit as usize)?;
            let forms: orch_core::Result<Vec<_>> = rows.iter().map(|row| session::RunForm::of(&store, row)).collect();
            text(&forms?)
        }))
    }

    /// One run, by its name or how that ends, else the latest of a source: its JSON form, without its events.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn find(&self, run: Option<String>, source: Option<String>) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || {
            let row = find_run(&store, run.as_deref(), source.as_deref())?;
            text(&session::RunForm::of(&store, &row)?)
        }))
    }

    /// The same, with its inputs and the events of its latest part.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn show(&self, run: Option<String>) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || {
            let row = find_run(&store, run.as_deref(), None)?;
            text(&StoredRun::load(&store, row.run)?.form())
        }))
    }

    /// The report of a run.
    #[napi(ts_return_type = "Promise<Report>")]
    pub fn report(&self, run: Option<String>) -> napi::Result<AsyncTask<Job<Report>>> {
        let store = self.open()?;
        Ok(later(move || {
            let row = find_run(&store, run.as_deref(), None)?;
            Ok(Report(Arc::new(StoredRun::load(&store, row.run)?.report)))
        }))
    }

    /// Leaves word for the owner of a run: `cancel`, `pause`, `unpause`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn wish(&self, run: Option<String>, wish: String, reason: String) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || {
            let wish = match wish.as_str() {
                "cancel" => Wish::Cancel { reason },
                "pause" => Wish::Pause,
                "unpause" => Wish::Resume,
                other => return Err(Error::new(ErrorKind::InvalidValue, format!("`{other}` is no wish"))),
            };
            let row = find_run(&store, run.as_deref(), None)?;
            leave_wish(&store, &row, &wish)?;
            text(&session::RunForm::of(&store, &row)?)
        }))
    }

    /// How a run goes on with that graph: by its name, else the latest of that source. `inputs`, as JSON: those of now.
    #[napi(ts_return_type = "Promise<NativeResume>")]
    pub fn resume(
        &self,
        graph: &Graph,
        run: Option<String>,
        source: Option<String>,
        inputs: Option<String>,
    ) -> napi::Result<AsyncTask<Job<NativeResume>>> {
        let (store, graph) = (self.open()?, graph.0.clone());
        let inputs: Option<Map<String, Value>> =
            inputs.map(|text| convert::read(&text, "the inputs of the run")).transpose()?;
        Ok(later(move || {
            let row = find_run(&store, run.as_deref(), source.as_deref())?;
            let resume = session::Resume::load(&store, row.run, Some(&graph), inputs.as_ref(), None)?;
            Ok(NativeResume(resume))
        }))
    }

    /// Looks whether everything is as it was written: counts and problems, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn check(&self) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || text(&store.check()?)))
    }

    /// Drops what is over, and ended runs older than that, and gives the room back: what went, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn compact(&self, older_than_ms: Option<f64>) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        let older_than = older_than_ms.map(convert::duration).transpose()?;
        Ok(later(move || text(&store.compact(older_than)?)))
    }

    /// Writes a copy of the store to a new file.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn export(&self, to: String) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.open()?;
        Ok(later(move || {
            store.export(Path::new(&to))?;
            Ok(to)
        }))
    }
}

impl NativeStore {
    /// The results that processes share by it.
    pub(crate) fn results(&self) -> napi::Result<Arc<StoreCache>> {
        Ok(Arc::new(StoreCache::new(Arc::new(self.open()?), StoreCacheOptions::default())))
    }
}

/// How a stored run goes on.
#[napi]
pub struct NativeResume(pub(crate) session::Resume);

#[napi]
impl NativeResume {
    /// The graph that is to be run: the one that was given, with what tasks added that are kept.
    #[napi]
    pub fn graph(&self) -> Graph {
        Graph(self.0.graph().clone())
    }

    /// The inputs of the run, as JSON.
    #[napi]
    pub fn inputs(&self) -> napi::Result<String> {
        convert::shown(&json!(self.0.inputs()))
    }

    /// What is kept, and what is run, and why, as JSON.
    #[napi]
    pub fn form(&self) -> napi::Result<String> {
        convert::shown(&self.0.form())
    }
}

/// What a run of that file is found by again.
#[napi]
pub fn run_source(file: String) -> String {
    session::run_source(Path::new(&file))
}
