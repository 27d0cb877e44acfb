//! The server.

use std::{
    convert::Infallible,
    fmt,
    net::{Ipv4Addr, TcpListener},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    thread,
};

use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    board::{Board, Presence},
    door::{Asked, Token, Way, way},
    follow,
    options::ServeOptions,
    page::{page, policy},
    pane::Pane,
    reader::{Place, Reader},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    id::RunId,
    store::Store,
};

/// How many connections there may be for each reader: others answer the page, or are shut.
const CONNECTIONS: usize = 4;

/// Serves the page on the loopback interface, at an address that holds a random token.
pub struct Server {
    listener: TcpListener,
    port: u16,
    shared: Arc<Shared>,
    panes: Vec<Pane>,
}

struct Shared {
    options: ServeOptions,
    token: Token,
    board: Arc<Board>,
    readers: Arc<Semaphore>,
    store: Mutex<Option<Arc<dyn Store>>>,
}

impl Shared {
    /// The store, once there is one.
    fn store(&self) -> Result<Option<Arc<dyn Store>>> {
        let mut known = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none()
            && let Some(find) = &self.options.finds
        {
            *known = find()?;
        }
        Ok(known.clone())
    }
}

impl Server {
    /// Takes the port. Nobody is answered before [`run`](Server::run).
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the port is taken or not allowed, or the system has no random numbers.
    pub fn bind(options: ServeOptions, panes: Vec<Pane>) -> Result<Self> {
        let io = |what: String, error: std::io::Error| Error::new(ErrorKind::Io, what).caused_by(error);
        let wanted = options.port;
        let taken = || match wanted {
            0 => "no port of the loopback interface can be had".to_owned(),
            _ => format!("the port {wanted} cannot be had; `--port 0` takes any that is free"),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).map_err(|error| io(taken(), error))?;
        let address = listener.set_nonblocking(true).and_then(|()| listener.local_addr());
        let port = address.map_err(|error| io(taken(), error))?.port();
        let token = Token::new().map_err(|error| {
            Error::new(ErrorKind::Io, "the system has no random numbers for the address").caused_by(error)
        })?;
        let readers = Arc::new(Semaphore::new(options.readers));
        let store = Mutex::new(options.store.clone());
        let shared = Arc::new(Shared { options, token, board: Board::new(), readers, store });
        Ok(Self { listener, port, shared, panes })
    }

    /// The address of the page. Who has it can read all that the page shows.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.shared.token.as_str())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until the answer is dropped; ends by itself only with an error. On a runtime of tokio with I/O and time.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the runtime cannot listen, or there are no threads.
    pub async fn run(self) -> Result<Infallible> {
        let Self { listener, port, shared, panes } = self;
        let io = |error| Error::new(ErrorKind::Io, "the page cannot be served").caused_by(error);
        let listener = tokio::net::TcpListener::from_std(listener).map_err(io)?;
        let _closes = Closes(shared.board.clone());
        let (board, lists) = (shared.board.clone(), shared.clone());
        let list = move || follow::list(&lists.options, &|| lists.store(), &board);
        thread::Builder::new().name("serve runs".to_owned()).spawn(list).map_err(io)?;
        for pane in panes {
            let board = shared.board.clone();
            let name = format!("serve {}", pane.name);
            thread::Builder::new().name(name).spawn(move || pane.watch(&board)).map_err(io)?;
        }
        let room = Arc::new(Semaphore::new(shared.options.readers.saturating_mul(CONNECTIONS)));
        let mut connections = JoinSet::new();
        loop {
            // Closed only with the runtime.
            let Ok(place) = room.clone().acquire_owned().await else { continue };
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, port, shared.clone(), place))),
                // Mostly: too many open files. The next one may fit again.
                Err(_) => sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, panes, shared, .. } = self;
        f.debug_struct("Server")
            .field("port", port)
            .field("panes", panes)
            .field("options", &shared.options)
            .finish_non_exhaustive()
    }
}

/// Ends the threads that look, however the server ends.
struct Closes(Arc<Board>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Answers one request: a connection is not kept, so that a forgotten one costs nothing.
async fn connection(stream: TcpStream, port: u16, shared: Arc<Shared>, _place: OwnedSemaphorePermit) {
    // Told that its reader takes nothing any more.
    let hopeless = Arc::new(Notify::new());
    let gone = hopeless.clone();
    let patience = shared.options.patience;
    let answers = service_fn(move |request| {
        let answer = answer(&request, port, &shared, &hopeless);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(64 * 1024);
    tokio::select! {
        // What went wrong with a connection is of interest to nobody here.
        done = http.serve_connection(TokioIo::new(stream), answers) => drop(done),
        () = gone.notified() => {}
    }
}

fn answer(request: &Request<Incoming>, port: u16, shared: &Arc<Shared>, hopeless: &Arc<Notify>) -> Response<Reply> {
    let uri = request.uri();
    let named = uri.authority().map(|authority| authority.as_str().as_bytes());
    let hosts: Vec<&[u8]> =
        request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes).chain(named).collect();
    let asked = Asked {
        method: request.method().as_str(),
        hosts: &hosts,
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
    };
    let way = way(&asked, &shared.token, port);
    match way {
        Way::Shut => plain(StatusCode::FORBIDDEN),
        Way::Nowhere => plain(StatusCode::NOT_FOUND),
        Way::ReadOnly => with(plain(StatusCode::METHOD_NOT_ALLOWED), header::ALLOW, "GET, HEAD"),
        Way::Page => {
            // Fresh for each answer; without random numbers there is no page.
            let Ok(nonce) = Token::new() else { return plain(StatusCode::SERVICE_UNAVAILABLE) };
            let answer = reply(StatusCode::OK, Reply::Whole(Some(page(nonce.as_str()).into())));
            let answer = with(answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
            with(answer, header::CONTENT_SECURITY_POLICY, &policy(nonce.as_str()))
        }
        Way::Events(run) => {
            let Ok(place) = shared.readers.clone().try_acquire_owned() else {
                return with(plain(StatusCode::SERVICE_UNAVAILABLE), header::RETRY_AFTER, "5");
            };
            if asked.method == "HEAD" {
                return with(plain(StatusCode::OK), header::CONTENT_TYPE, "text/event-stream");
            }
            let seen = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
            let body = read(run, Place::read(seen), place, shared, hopeless);
            with(reply(StatusCode::OK, Reply::Parts(body)), header::CONTENT_TYPE, "text/event-stream")
        }
    }
}

fn plain(status: StatusCode) -> Response<Reply> {
    reply(status, Reply::Whole(None))
}

fn reply(status: StatusCode, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn with(mut response: Response<Reply>, name: HeaderName, value: &str) -> Response<Reply> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Begins to tell a reader what there is and will be.
fn read(
    run: Option<RunId>,
    seen: Place,
    place: OwnedSemaphorePermit,
    shared: &Arc<Shared>,
    hopeless: &Arc<Notify>,
) -> mpsc::Receiver<Bytes> {
    let (presence, is_first) = shared.board.enter(run);
    if let Some(run) = run.filter(|_| is_first) {
        let shared = shared.clone();
        let follows = move || follow::follow(run, &|| shared.store(), &shared.options, &shared.board);
        // Without a thread the run is not shown; all else is.
        drop(thread::Builder::new().name("serve run".to_owned()).spawn(follows));
    }
    // One that is being sent, and one that is ready: what a slow reader costs.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(Reader::new(run, seen), sender, presence, place, shared.clone(), hopeless.clone()));
    receiver
}

async fn tell(
    mut reader: Reader,
    sender: mpsc::Sender<Bytes>,
    _presence: Presence,
    _place: OwnedSemaphorePermit,
    shared: Arc<Shared>,
    hopeless: Arc<Notify>,
) {
    let ServeOptions { patience, pulse, .. } = shared.options;
    let mut news = shared.board.subscribe();
    // A page that comes back does so after a second.
    let hello = json!({"version": crate::VERSION, "now_ms": Clock::system().wall().0});
    let mut text = format!("retry: 1000\nevent: hello\ndata: {hello}\n\n");
    loop {
        if !text.is_empty() {
            match timeout(patience, sender.send(Bytes::from(text))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return hopeless.notify_one(),
            }
        }
        news.mark_unchanged();
        text = reader.read(&shared.board);
        if text.is_empty() {
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = sleep(pulse) => text = ":\n\n".to_owned(),
                () = sender.closed() => return,
            }
        }
    }
}

/// The body of an answer.
enum Reply {
    Whole(Option<Bytes>),
    Parts(mpsc::Receiver<Bytes>),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Parts(parts) => parts.poll_recv(context).map(|part| part.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}
