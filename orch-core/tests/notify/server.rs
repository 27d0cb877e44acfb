//! A server on this machine that answers by a script.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use serde_json::Value;

pub(crate) const SECRET: &str = "t0k3n-that-nobody-sees";

/// Answers requests with what a script says, and keeps what it was sent.
pub(crate) struct Server {
    port: u16,
    pub(crate) got: Arc<Mutex<Vec<Value>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// `answer` gets the number of the request; nothing means to close the connection without a word.
    pub(crate) fn new(answer: impl Fn(usize) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, stopped) = (got.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let mut stream = BufReader::new(stream.unwrap());
                let (mut length, mut line) = (0, String::new());
                while stream.read_line(&mut line).unwrap() > 2 {
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    if name.eq_ignore_ascii_case("content-length") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let number = {
                    let mut got = heard.lock().unwrap();
                    got.push(serde_json::from_slice(&body).unwrap());
                    got.len() - 1
                };
                if let Some(answer) = answer(number) {
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        Self { port, got, stop, thread: Some(thread) }
    }

    /// A webhook of this server: a secret.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{SECRET}", self.port)
    }

    pub(crate) fn titles(&self) -> Vec<String> {
        let title = |payload: &Value| payload["embeds"][0]["title"].as_str().unwrap().to_owned();
        self.got.lock().unwrap().iter().map(title).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// An answer of HTTP.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}
