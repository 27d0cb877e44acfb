//! Gates: what somebody has to say before more is spent, kept in the ledger, so that anybody with the same store may say it.

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::{
    clock::WallTime,
    cost::budget::Labels,
    error::{Error, ErrorKind, Result},
    id::Printable,
    store::Content,
    units::Usd,
};

const GATE: &str = "gate/";

/// A limit that [asks](crate::cost::budget::AtLimit::Ask): whether somebody may spend so much all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// By which it is answered: the same for the same run, task and limit, also after a restart.
    pub id: String,
    /// Since when it is asked.
    pub at: WallTime,
    /// Who asks: run, task, and what else is known.
    pub who: Labels,
    /// The limit's name.
    pub limit: String,
    /// How much is wanted; nothing: nobody knows. In JSON money is whole nano-dollars.
    pub usd: Usd,
    /// How the limit stands, in words.
    pub why: String,
}

/// What somebody says to a [`Question`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// This attempt may begin.
    Once,
    /// This one, and whatever else of this run the same limit would ask for.
    Run,
    /// It may not: the task fails.
    No,
}

/// A question and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What is asked.
    pub question: Question,
    /// What was said; `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Allowed>,
    /// Who said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

fn read(cell: &Content) -> Result<Gate> {
    cell.read("a question")
}

impl Ledger {
    /// Asks, or asks again: what was said, and by whom. An answer is given once; `None`: nobody has said anything yet.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn ask(&self, question: &Question) -> Result<Option<(Allowed, String)>> {
        let key = format!("{GATE}{}", question.id);
        self.book(|book| {
            let Some(cell) = book.cell(&key)? else {
                let gate = Gate { question: question.clone(), said: None, by: String::new() };
                book.set_cell(&key, Some(Content::of(gate)))?;
                return Ok(None);
            };
            let gate = read(&cell)?;
            if gate.said.is_some() {
                book.set_cell(&key, None)?;
            }
            Ok(gate.said.map(|said| (said, gate.by)))
        })
    }

    /// Answers a question, in the name of `by`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none of that id, or it was answered and heard;
    /// [`Conflict`](ErrorKind::Conflict) if somebody else was quicker. Those of the store.
    pub fn answer(&self, id: &str, said: Allowed, by: &str) -> Result<()> {
        let key = format!("{GATE}{id}");
        self.book(|book| {
            let Some(cell) = book.cell(&key)? else {
                let message =
                    format!("nobody asks a question `{}`; `orch budget` lists those that are open", Printable(id));
                return Err(Error::new(ErrorKind::NotFound, message));
            };
            let gate = read(&cell)?;
            if gate.said.is_some() {
                let message = format!("the question `{}` was answered by `{}`", Printable(id), Printable(&gate.by));
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            let gate = Gate { said: Some(said), by: by.to_owned(), ..gate };
            book.set_cell(&key, Some(Content::of(gate)))
        })
    }

    /// Takes a question back, if it is there.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn withdraw(&self, id: &str) -> Result<()> {
        self.book(|book| book.set_cell(&format!("{GATE}{id}"), None))
    }

    /// The questions that are open, and answers that nobody has heard yet.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn gates(&self) -> Result<Vec<Gate>> {
        self.0.store.cells(GATE)?.iter().map(|(_, cell)| read(cell)).collect()
    }
}
