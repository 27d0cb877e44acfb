//! What one reader has not seen yet.

use std::{collections::BTreeMap, fmt::Write as _};

use super::board::{Board, Log};
use crate::id::RunId;

/// The most bytes that are made for a reader at once, but for one event that is larger.
const CHUNK: usize = 64 * 1024;

/// How far a reader is: which part of the run, and how many of its events it has. As text, `fence.events`: the id of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    fence: u64,
    events: usize,
}

impl Place {
    /// Reads an id; one of something else is that of somebody who has seen nothing.
    pub(super) fn read(id: Option<&str>) -> Self {
        let place = || {
            let (fence, events) = id?.split_once('.')?;
            Some(Self { fence: fence.parse().ok()?, events: events.parse().ok()? })
        };
        place().unwrap_or_default()
    }
}

/// A reader.
#[derive(Debug)]
pub(super) struct Reader {
    run: Option<RunId>,
    place: Place,
    head: u64,
    panes: BTreeMap<&'static str, u64>,
}

impl Reader {
    pub(super) fn new(run: Option<RunId>, place: Place) -> Self {
        Self { run, place, head: 0, panes: BTreeMap::new() }
    }

    /// Writes what is new as events, some of it if it is much; nothing: there is nothing new.
    pub(super) fn read(&mut self, board: &Board) -> String {
        let content = board.content();
        let mut out = String::new();
        for (name, sheet) in &content.panes {
            let seen = self.panes.entry(name).or_default();
            if *seen != sheet.version && out.len() < CHUNK {
                *seen = sheet.version;
                say(&mut out, name, None, &sheet.text);
            }
        }
        if let Some(log) = self.run.and_then(|run| content.logs.get(&run)) {
            self.follow(log, &mut out);
        }
        out
    }

    fn follow(&mut self, log: &Log, out: &mut String) {
        if log.fence != 0 {
            if self.place.fence != log.fence || self.place.events > log.events.len() {
                self.place = Place { fence: log.fence, events: 0 };
                say(out, "part", Some(self.place), &log.part);
            }
            let new = log.events.get(self.place.events..).unwrap_or_default();
            if !new.is_empty() && out.len() < CHUNK {
                let mut list = String::from("[");
                for event in new {
                    if list.len() > 1 {
                        if out.len() + list.len() + event.len() > CHUNK {
                            break;
                        }
                        list.push(',');
                    }
                    list.push_str(event);
                    self.place.events += 1;
                }
                list.push(']');
                say(out, "events", Some(self.place), &list);
            }
        }
        // How it stands belongs after what led there.
        if self.place.events == log.events.len() && self.head != log.head.version {
            self.head = log.head.version;
            say(out, "head", None, &log.head.text);
        }
    }
}

/// An event as SSE. JSON has no line breaks.
fn say(out: &mut String, name: &str, id: Option<Place>, data: &str) {
    if let Some(Place { fence, events }) = id {
        // Writing to memory cannot fail.
        _ = writeln!(out, "id: {fence}.{events}");
    }
    _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn run() -> RunId {
        RunId::from_parts(1, 2)
    }

    /// What a page makes of what it is told: the part, the events, and the id of the last.
    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        part: String,
        events: Vec<u64>,
        id: Option<String>,
        head: String,
    }

    impl Seen {
        fn hear(&mut self, said: &str) {
            for message in said.split_terminator("\n\n") {
                let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
                let data = field("data: ").unwrap();
                self.id = field("id: ").map(str::to_owned).or(self.id.take());
                match field("event: ").unwrap() {
                    "part" => (self.part, self.events) = (data.to_owned(), Vec::new()),
                    "events" => self.events.extend(serde_json::from_str::<Vec<u64>>(data).unwrap()),
                    "head" => data.clone_into(&mut self.head),
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// The run says so many things more.
        Say(usize),
        /// Another process goes on with it.
        Begin,
        /// So many chunks arrive.
        Read(usize),
        /// The connection breaks; the page comes back and says what it saw last.
        Break,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1usize..4_000).prop_map(Step::Say),
            Just(Step::Begin),
            (1usize..4).prop_map(Step::Read),
            Just(Step::Break)
        ];
        prop::collection::vec(step, 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However often a reader goes and comes back, it ends with the latest part, each event of it once, in order.
        #[test]
        fn nothing_is_lost_and_nothing_told_twice(steps in steps()) {
            let board = Board::new();
            let (_reads, _) = board.enter(Some(run()));
            let (mut seen, mut reader) = (Seen::default(), Reader::new(Some(run()), Place::default()));
            let begin = |fence: u64| board.log(run(), |log| {
                (log.fence, log.part) = (fence, json!(fence).to_string().into());
                log.events.clear();
                true
            });
            let mut fence = 1;
            begin(fence);
            for step in steps.into_iter().chain([Step::Read(usize::MAX)]) {
                match step {
                    Step::Say(count) => {
                        board.log(run(), |log| {
                            let from = log.events.len();
                            log.events.extend((from..from + count).map(|nth| std::sync::Arc::from(nth.to_string())));
                            log.head.write(&json!(log.events.len()).to_string())
                        });
                    }
                    Step::Begin => {
                        fence += 1;
                        begin(fence);
                    }
                    Step::Read(chunks) => {
                        for _ in 0..chunks {
                            let said = reader.read(&board);
                            if said.is_empty() {
                                break;
                            }
                            prop_assert!(said.len() < 2 * CHUNK);
                            seen.hear(&said);
                        }
                    }
                    Step::Break => reader = Reader::new(Some(run()), Place::read(seen.id.as_deref())),
                }
            }
            let content = board.content();
            let log = &content.logs[&run()];
            prop_assert_eq!(&seen.part, &fence.to_string());
            prop_assert_eq!(seen.events, (0..log.events.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(&*seen.head, &*log.head.text);
        }
    }

    #[test]
    fn much_comes_in_pieces_and_how_it_stands_after_them() {
        let board = Board::new();
        let (_reads, _) = board.enter(Some(run()));
        let large: std::sync::Arc<str> = json!("x".repeat(CHUNK / 4)).to_string().into();
        board.log(run(), |log| {
            (log.fence, log.part, log.events) = (1, "0".into(), vec![large; 10]);
            log.head.write("1")
        });
        let mut reader = Reader::new(Some(run()), Place::default());
        let pieces: Vec<String> =
            std::iter::from_fn(|| Some(reader.read(&board)).filter(|piece| !piece.is_empty())).collect();
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() < 2 * CHUNK));
        let (last, before) = pieces.split_last().unwrap();
        assert!(last.contains("event: head") && before.iter().all(|piece| !piece.contains("event: head")));
    }

    #[test]
    fn ids_of_others_begin_anew() {
        for id in [None, Some(""), Some("7"), Some("x.1"), Some("1.x"), Some("1.2.3"), Some("-1.2")] {
            assert_eq!(Place::read(id), Place::default(), "{id:?}");
        }
        assert_eq!(Place::read(Some("3.9")), Place { fence: 3, events: 9 });
    }

    #[test]
    fn a_reader_hears_of_each_pane_once_until_it_changes() {
        let board = Board::new();
        let mut reader = Reader::new(None, Place::default());
        board.show("costs", &json!({"a": 1}));
        assert_eq!(reader.read(&board), "event: costs\ndata: {\"a\":1}\n\n");
        board.show("costs", &json!({"a": 1}));
        assert_eq!(reader.read(&board), "");
        board.show("costs", &json!({"a": "x\ny"}));
        assert_eq!(reader.read(&board), "event: costs\ndata: {\"a\":\"x\\ny\"}\n\n");
    }
}
