//! A client that reads as a browser does, and as slowly as a test wants.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// What was answered. The body is read as it is asked for.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    /// How much of it there is, where that is said.
    length: Option<usize>,
    chunked: bool,
    /// Whether the other side said that this is all.
    pub(crate) whole: bool,
    text: String,
}

/// A message of a stream of events.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// Sends that head, and reads the one that comes back.
pub(crate) fn send(port: u16, head: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // A test that waits for what never comes ends with an error and not with a person.
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut answer =
        Answer { status, headers, stream, length: None, chunked: false, whole: false, text: String::new() };
    answer.length = answer.header("content-length").map(|length| length.parse().unwrap());
    answer.chunked = answer.header("transfer-encoding") == Some("chunked");
    answer
}

/// Asks for a path as a browser does.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    send(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"))
}

/// The events at that path, after the one with that id.
pub(crate) fn events(port: u16, path: &str, last: Option<&str>) -> Answer {
    let answer = ask_events(port, path, last);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    answer
}

/// The same, whatever the answer.
pub(crate) fn ask_events(port: u16, path: &str, last: Option<&str>) -> Answer {
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let accept = "Accept: text/event-stream\r\n";
    send(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{accept}{last}\r\n"))
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All of the body.
    pub(crate) fn body(mut self) -> String {
        if let Some(length) = self.length {
            let mut bytes = vec![0; length];
            self.stream.read_exact(&mut bytes).unwrap();
            return String::from_utf8(bytes).unwrap();
        }
        while self.more() {}
        self.text
    }

    /// The next piece; `false`: there is none.
    fn more(&mut self) -> bool {
        assert!(self.chunked);
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or_default() == 0 {
            return false;
        }
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        self.whole |= length == 0;
        let mut bytes = vec![0; length + 2];
        if self.stream.read_exact(&mut bytes).is_err() || length == 0 {
            return false;
        }
        self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        true
    }

    /// The next message; nothing: the stream has ended. Comments are passed over.
    pub(crate) fn next(&mut self) -> Option<Said> {
        loop {
            while !self.text.contains("\n\n") {
                if !self.more() {
                    return None;
                }
            }
            let (message, rest) = self.text.split_once("\n\n").unwrap();
            let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let (event, id, data) = (field("event: "), field("id: "), field("data: "));
            self.text = rest.to_owned();
            if let (Some(event), Some(data)) = (event, data) {
                return Some(Said { event, id, data: serde_json::from_str(&data).unwrap() });
            }
        }
    }

    /// The next message of that name.
    #[track_caller]
    pub(crate) fn wait(&mut self, event: &str) -> Said {
        self.until(|said| said.event == event)
    }

    /// The first message of which that is true.
    #[track_caller]
    pub(crate) fn until(&mut self, mut is: impl FnMut(&Said) -> bool) -> Said {
        loop {
            let said = self.next().expect("the stream goes on");
            if is(&said) {
                return said;
            }
        }
    }

    /// Goes away, as a tab that is closed.
    pub(crate) fn leave(self) {
        self.stream.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}
