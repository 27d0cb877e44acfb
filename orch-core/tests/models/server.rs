//! A server on this machine that answers as models do, by a script.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

/// A question that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Value,
}

pub(crate) struct Server {
    port: u16,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    /// Connections that get no answer.
    silent: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    /// `answer` gets the number of the question, and the question; `None`: it says nothing and keeps the connection.
    pub(crate) fn new(answer: impl Fn(usize, &Asked) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, silent, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default(), Arc::default());
        let server = Self { port, asked: asked.clone(), stop: Arc::clone(&stop), silent: silent.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let (stream, answer, asked, silent) = (stream.unwrap(), answer.clone(), asked.clone(), silent.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut lines = Vec::new();
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                            break;
                        }
                        lines.push(line.trim_end().to_owned());
                    }
                    let Some(first) = lines.first() else { return };
                    let length = lines
                        .iter()
                        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                        .unwrap_or(0);
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let question =
                        Asked { path, headers: lines.join("\n"), body: serde_json::from_slice(&body).unwrap() };
                    let number = {
                        let mut asked = asked.lock().unwrap();
                        asked.push(question.clone());
                        asked.len() - 1
                    };
                    let mut stream = stream;
                    match answer(number, &question) {
                        Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                        None => silent.lock().unwrap().push(stream),
                    }
                });
            }
        });
        server
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.silent.lock().unwrap().clear();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

pub(crate) fn http(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

/// What Anthropic answers: so many tokens of the model `m` were used.
pub(crate) fn says(text: &str, input: u64) -> Option<String> {
    let body = json!({
        "type": "message", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": input, "output_tokens": 0},
    });
    http("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}
