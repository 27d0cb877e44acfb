//! The files that a run leaves: opened before it begins, so that nobody waits an hour for a report that has no place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    Error, ErrorKind, Event, Graph, Plan, Report, Result,
    cli::{
        args::{self, TodoForm},
        source::shown,
        streams::Console,
    },
    report::{
        render,
        todo::{TodoMode, task_list, todo_list},
    },
};

/// The files that the command line asks for.
#[derive(Debug)]
pub(super) struct Results {
    at_end: Vec<(Place, Form)>,
    events: Option<Events>,
    todo: Option<TodoFile>,
    /// Why the to-do list is not up to date, the first time it could not be written.
    todo_failed: Option<Error>,
}

/// A form of the report, as a function of it.
type Form = fn(&Report) -> String;

/// A file that can be written.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    file: File,
}

#[derive(Debug)]
enum Events {
    Stdout,
    File { path: PathBuf, file: BufWriter<File>, failed: Option<io::Error> },
}

impl Results {
    /// Opens them all.
    pub(super) fn open(args: &args::Run, plan: &Plan) -> Result<Self> {
        let wanted: [(&Option<PathBuf>, Form); 3] = [
            (&args.report_html, render::html::report),
            (&args.junit, render::junit),
            (&args.trace, render::chrome_trace),
        ];
        let mut at_end = Vec::new();
        for (path, form) in wanted {
            if let Some(path) = path {
                at_end.push((Place::open(path)?, form));
            }
        }
        let events = match args.events.as_deref() {
            None => None,
            Some(path) if path == Path::new("-") => Some(Events::Stdout),
            Some(path) => {
                let Place { path, file } = Place::open(path)?;
                file.set_len(0).map_err(|error| unwritten(&path, error))?;
                Some(Events::File { path, file: BufWriter::new(file), failed: None })
            }
        };
        let todo = args.todo.as_deref().map(|path| TodoFile::open(path, args.todo_form, plan)).transpose()?;
        Ok(Self { at_end, events, todo, todo_failed: None })
    }

    /// Whether stdout belongs to the events.
    pub(super) fn take_stdout(&self) -> bool {
        matches!(self.events, Some(Events::Stdout))
    }

    /// Writes an event. A file that fails is left alone from then on and told of at the end.
    pub(super) fn on(&mut self, event: &Event, graph: &Graph, console: &mut Console<'_>) {
        if let Some(todo) = &mut self.todo {
            todo.on(event);
        }
        match &mut self.events {
            None => {}
            Some(Events::Stdout) => console.result(&(render::json_line(&event.named(graph)) + "\n")),
            Some(Events::File { failed: Some(_), .. }) => {}
            Some(Events::File { file, failed, .. }) => {
                let line = render::json_line(&event.named(graph)) + "\n";
                *failed = file.write_all(line.as_bytes()).err();
            }
        }
    }

    /// Lets readers of the files see what happened so far.
    pub(super) fn flush(&mut self) {
        if let Some(Err(error)) = self.todo.as_mut().map(TodoFile::write) {
            self.todo_failed.get_or_insert(error);
        }
        if let Some(Events::File { file, failed, .. }) = &mut self.events
            && failed.is_none()
        {
            *failed = file.flush().err();
        }
    }

    /// Writes the rest. Answers every failure: one bad disk should not cost the other reports.
    pub(super) fn close(mut self, report: &Report) -> Vec<Error> {
        self.flush();
        let mut errors: Vec<Error> = self.todo_failed.into_iter().collect();
        if let Some(Events::File { path, failed: Some(error), .. }) = self.events {
            errors.push(unwritten(&path, error));
        }
        for (place, form) in self.at_end {
            errors.extend(place.write(&form(report)).err());
        }
        errors
    }
}

impl Place {
    /// Opens a file without touching what is in it.
    fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(|error| unwritten(path, error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(mut self, text: &str) -> Result<()> {
        let write = |file: &mut File| {
            // A pipe or a terminal has no length and no place to go back to.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
                file.rewind()?;
            }
            file.write_all(text.as_bytes())
        };
        write(&mut self.file).map_err(|error| unwritten(&self.path, error))
    }
}

/// Tells GitHub Actions: a summary of the step, and annotations. The messages of a run cannot become workflow commands.
pub(super) fn tell_github(report: &Report, console: &mut Console<'_>) {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
        let append = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(render::github_summary(report).as_bytes())
        };
        if let Err(error) = append() {
            console.warning(unwritten(&path, error));
        }
    }
    if variable("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        console.note(render::github_annotations(report).trim_end());
    }
}

/// A to-do list in a file, written again when it changed.
#[derive(Debug)]
pub(super) struct TodoFile {
    path: PathBuf,
    form: TodoForm,
    report: Report,
    written: String,
    stale: bool,
}

impl TodoFile {
    /// Writes the list of a run that has not begun.
    pub(super) fn open(path: &Path, form: TodoForm, plan: &Plan) -> Result<Self> {
        let report = Report::new(plan);
        let mut todo = Self { path: path.to_owned(), form, report, written: String::new(), stale: true };
        todo.write()?;
        Ok(todo)
    }

    pub(super) fn on(&mut self, event: &Event) {
        self.report.on(event);
        self.stale = true;
    }

    /// Writes the list if it changed. Replaces the file at once, so that no reader ever sees half of it.
    pub(super) fn write(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.stale) {
            return Ok(());
        }
        let text = match self.form {
            TodoForm::Strict => render::pretty_json(&todo_list(&self.report, TodoMode::Strict)),
            TodoForm::Parallel => render::pretty_json(&todo_list(&self.report, TodoMode::Parallel)),
            TodoForm::Tasks => render::pretty_json(&task_list(&self.report)),
        };
        if text == self.written {
            return Ok(());
        }
        let mut fresh = self.path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        fs::write(&fresh, &text)
            .and_then(|()| fs::rename(&fresh, &self.path))
            .map_err(|error| unwritten(&self.path, error))?;
        self.written = text;
        Ok(())
    }
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not write `{}`", shown(path))).caused_by(error)
}
