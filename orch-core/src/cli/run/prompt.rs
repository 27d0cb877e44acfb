//! Budgets that ask, at a terminal: the question on stderr, the answer from stdin.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, IsTerminal as _},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    cli::streams::Console,
    cost::budget::{AtLimit, Column},
    id::Printable,
    session::{Allowed, Budget, Gatekeeper, Ledger, Question},
};

/// Who sits at the terminal, if anybody does and may be asked.
pub(super) struct Prompt {
    ledger: Ledger,
    questions: UnboundedReceiver<Question>,
    lines: UnboundedReceiver<String>,
    /// Where lines come from, until somebody is asked: what is typed before is no answer.
    stdin: Option<UnboundedSender<String>>,
    open: VecDeque<Question>,
}

/// What happened at the terminal.
pub(super) enum Said {
    Asks(Question),
    Line(String),
}

impl Prompt {
    /// Asks at the terminal where a limit asks and there is one. Without one nobody is asked here.
    pub(super) fn of(budget: &mut Budget) -> Option<Self> {
        let asks = budget.ledger.limits().iter().any(|limit| limit.at_limit == AtLimit::Ask);
        if !asks || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let (ask, questions) = unbounded_channel();
        let (stdin, lines) = unbounded_channel();
        // Whoever answers first, here or in another process.
        budget.gate = Some(Gatekeeper::new("the terminal", move |question: &Question| {
            drop(ask.send(question.clone()));
            None
        }));
        Some(Self { ledger: budget.ledger.clone(), questions, lines, stdin: Some(stdin), open: VecDeque::new() })
    }

    /// Waits until somebody asks, or answers.
    pub(super) async fn next(prompt: &mut Option<Self>) -> Said {
        let Some(prompt) = prompt else { return std::future::pending().await };
        tokio::select! {
            Some(question) = prompt.questions.recv() => Said::Asks(question),
            Some(line) = prompt.lines.recv() => Said::Line(line),
            else => std::future::pending().await,
        }
    }

    pub(super) fn hear(&mut self, said: Said, console: &mut Console<'_>) {
        match said {
            Said::Asks(question) => {
                if let Some(stdin) = self.stdin.take() {
                    // It waits for a line for as long as the process lives.
                    drop(std::thread::Builder::new().name("orch-stdin".into()).spawn(move || {
                        for line in io::stdin().lock().lines().map_while(Result::ok) {
                            if stdin.send(line).is_err() {
                                break;
                            }
                        }
                    }));
                }
                self.open.push_back(question);
                if self.open.len() == 1 {
                    self.ask(console);
                }
            }
            Said::Line(line) => self.answer(&line, console),
        }
    }

    fn ask(&self, console: &mut Console<'_>) {
        let Some(Question { who, why, .. }) = self.open.front() else { return };
        let task = Printable(who.get(Column::Task).unwrap_or("?")).to_string();
        console.note(format_args!("may `{task}` begin all the same? {}", Printable(why)));
        console.note("yes for this one, all for the rest of this run, no to let it fail:");
    }

    fn answer(&mut self, line: &str, console: &mut Console<'_>) {
        // Those that somebody else has answered meanwhile are not open any more.
        let gates = self.ledger.gates().unwrap_or_default();
        let is_open =
            |question: &Question| gates.iter().any(|gate| gate.said.is_none() && gate.question.id == question.id);
        self.open.retain(is_open);
        let Some(question) = self.open.front() else { return };
        let said = match line.trim().to_lowercase().as_str() {
            "y" | "yes" => Allowed::Once,
            "a" | "all" => Allowed::Run,
            "n" | "no" => Allowed::No,
            _ => return self.ask(console),
        };
        if let Err(error) = self.ledger.answer(&question.id, said, "the terminal") {
            console.note(error);
        }
        self.open.pop_front();
        self.ask(console);
    }
}
