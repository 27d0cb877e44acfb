//! `orch check`: every problem of every file.

use serde::Serialize;

use super::{
    args_definition::Check,
    exit::Exit,
    plan::count,
    source::{self, Loaded},
    streams::Console,
};
use crate::{Graph, Problem, Result, definition::command::GraphOptions};

/// The JSON form, version 1.
#[derive(Serialize)]
struct Form<'a> {
    version: u8,
    ok: bool,
    files: Vec<FileForm<'a>>,
}

#[derive(Serialize)]
struct FileForm<'a> {
    file: &'a str,
    ok: bool,
    tasks: Option<usize>,
    edges: Option<usize>,
    problems: &'a [Problem],
}

impl<'a> FileForm<'a> {
    fn new(file: &'a Loaded) -> Self {
        Self {
            file: &file.name,
            ok: file.graph.is_some(),
            tasks: file.graph.as_ref().map(Graph::len),
            edges: file.graph.as_ref().map(Graph::edges),
            problems: &file.problems,
        }
    }
}

/// Runs `orch check`.
pub(super) fn main(args: &Check, console: &mut Console<'_>) -> Result<Exit> {
    let options = GraphOptions { strict: args.strict, ..GraphOptions::default() };
    let files: Vec<Loaded> = args.files.iter().map(|file| source::load_file(file, &options)).collect();
    let ok = files.iter().all(|file| file.graph.is_some());
    if args.json {
        console.json(&Form { version: 1, ok, files: files.iter().map(FileForm::new).collect() });
    } else {
        for file in &files {
            let text = text(file, console);
            console.result(&text);
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Bad })
}

/// What is said of a file: here the problems are the result.
fn text(file: &Loaded, console: &Console<'_>) -> String {
    let paint = console.paint_out();
    let (mark, sum) = match &file.graph {
        Some(graph) => (paint.good("ok"), count(graph.len(), "task")),
        None => (paint.bad("bad"), count(file.problems.len(), "problem")),
    };
    let mut text = format!("{mark} {}: {sum}\n", file.name);
    for problem in &file.problems {
        text += &format!("   {}\n", source::line(problem, paint));
    }
    text
}
