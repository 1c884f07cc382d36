//! The simulator over real HTTP. [`Sim::handle`] decides every answer; the server only carries bytes,
//! writes the log file, waits for the delay, and breaks connections.

#![expect(
    clippy::disallowed_methods,
    reason = "the edge of the simulator: it passes the time on"
)]

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::combinators::MapFrame;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response as HttpResponse, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::http::{Delivery, Request, Response};
use super::log::LogEntry;
use super::machine::Sim;
use super::scenario::Scenario;
use crate::platform::{make_private, private_file};

/// The largest body that is read. A batch of 500 links, each with an icon, is well below.
const LARGEST_BODY: usize = 64 << 20;

/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The longest time that [`Server::stop`] waits for answers that have not left yet.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A body that does not know its length. If it ends before the length in the head, the connection breaks.
type Body = MapFrame<Full<Bytes>, fn(Frame<Bytes>) -> Frame<Bytes>>;

/// The options of a [`Server`].
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The loopback address to listen on. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The scenario to simulate.
    pub scenario: Scenario,
    /// The seed of ids, tokens, delays and all other random numbers.
    pub seed: u64,
    /// A file to which one JSON line is appended when a request arrives. Its owner alone can read it.
    pub log: Option<PathBuf>,
}

/// A simulator that listens on loopback. Its time starts with it. Dropping it stops accepting calls.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// The state that all connections share.
#[derive(Debug)]
struct Shared {
    start: Instant,
    sim: Mutex<Sim>,
    log: Option<Mutex<File>>,
    /// The reason why the log cannot be written any more.
    log_failure: watch::Sender<Option<String>>,
}

impl Server {
    /// Starts a server in a task of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the address is not a loopback address: secrets are not checked,
    /// so no other machine may reach the server. Otherwise the error of opening the port or, with its path, the log
    /// file.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            let message = format!(
                "the simulator listens on loopback only, not on {}",
                options.listen
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listen = options.listen;
        let shared = Arc::new(Shared::new(options)?);
        let cannot = |error: io::Error| told(&error, format_args!("cannot listen on {listen}"));
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared), stopped));
        Ok(Self {
            address,
            shared,
            stop,
            serving,
        })
    }

    /// The base URL of every call, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer of `GET /__sim/state`.
    #[must_use]
    pub fn state(&self) -> Value {
        let mut sim = lock(&self.shared.sim);
        sim.advance(self.shared.start.elapsed());
        sim.state()
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        lock(&self.shared.sim).log().to_vec()
    }

    /// Waits until a line of the log file cannot be written, and returns the reason. A log that lacks lines proves
    /// nothing, so whoever started the server with one should end it then.
    pub async fn log_failure(&self) -> String {
        let mut failure = self.shared.log_failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives as long as the server.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops accepting calls, waits at most five seconds for answers that have not left yet, and ends.
    pub async fn stop(self) {
        // A send fails only when the serving task has ended already.
        let _ = self.stop.send(());
        let mut serving = self.serving;
        if tokio::time::timeout(STOP_PATIENCE, &mut serving)
            .await
            .is_err()
        {
            serving.abort();
        }
    }
}

impl Shared {
    fn new(options: ServerOptions) -> io::Result<Self> {
        let log = options.log.as_deref().map(open_log).transpose()?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let epoch = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        let sim = Mutex::new(Sim::new(options.scenario, options.seed, epoch));
        Ok(Self {
            start: Instant::now(),
            sim,
            log: log.map(Mutex::new),
            log_failure: watch::Sender::new(None),
        })
    }

    /// Handles one request and logs it; returns the answer and the time at which it leaves. The clock is
    /// read inside the lock, so that times never go backwards.
    fn handle(&self, request: &Request) -> (Response, Instant) {
        let mut sim = lock(&self.sim);
        let arrived = Instant::now();
        let seen = sim.log().len();
        let response = sim.handle(arrived - self.start, request);
        if let Some(file) = &self.log {
            let line = sim
                .log()
                .get(seen)
                .and_then(|entry| serde_json::to_vec(entry).ok());
            // The file is locked before the simulator is released, which keeps the lines in order.
            let file = lock(file);
            drop(sim);
            if let Err(error) = append(file, line) {
                self.log_failure.send_replace(Some(error.to_string()));
            }
        }
        let leaves = arrived + response.delay;
        (response, leaves)
    }
}

/// Returns the error with what could not be done.
fn told(error: &io::Error, what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Opens the request log. It shows tenants and paths, so others cannot read it, even if it was there.
fn open_log(path: &Path) -> io::Result<File> {
    let open = || {
        let file = private_file().create(true).append(true).open(path)?;
        make_private(&file)?;
        Ok(file)
    };
    open().map_err(|error| told(&error, format_args!("{}", path.display())))
}

fn append(mut file: MutexGuard<'_, File>, line: Option<Vec<u8>>) -> io::Result<()> {
    let Some(mut line) = line else { return Ok(()) };
    line.push(b'\n');
    file.write_all(&line)
}

/// Locks a mutex even if a thread panicked with it. At worst one call was executed by half, which is no
/// reason to stop answering.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections, each with a task of its own, until `stopped` is sent or its sender is dropped. Ends with the
/// last connection.
async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => break,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small answers must not wait until earlier ones are acknowledged.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A connection that breaks is the client's affair.
                tokio::spawn(connections.watch(connection));
            }
            Err(error) => {
                tracing::error!(%error, "the simulator could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Answers a request. An error breaks the connection.
async fn answer(
    shared: Arc<Shared>,
    request: HttpRequest<Incoming>,
) -> io::Result<HttpResponse<Body>> {
    if !is_for_loopback(&request) {
        return Ok(bare(StatusCode::MISDIRECTED_REQUEST));
    }
    let Some(request) = received(request).await else {
        return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let travel = lock(&shared.sim).travel(&request);
    if !travel.is_zero() {
        tokio::time::sleep(travel).await;
    }
    let (mut response, leaves) = shared.handle(&request);
    if !response.delay.is_zero() {
        tokio::time::sleep_until(leaves).await;
    }
    let length = response.body.len();
    match response.delivery {
        Delivery::Whole => {}
        Delivery::Truncated => {
            let length = response.body.len();
            response
                .headers
                .push(("content-length", length.to_string()));
            response.body.truncate(length / 2);
        }
        Delivery::Dropped => return Err(io::ErrorKind::ConnectionReset.into()),
        // The future ends when the client hangs up.
        Delivery::Withheld => std::future::pending().await,
    }
    Ok(sent(response, length))
}

/// Tells whether a request names this machine and no other. A web page whose host name was made to lead here names its
/// own host (DNS rebinding).
fn is_for_loopback(request: &HttpRequest<Incoming>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter();
    let mut hosts = hosts.map(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let target = request.uri().authority();
    request.headers().contains_key(header::HOST)
        && hosts.all(|host| host.is_some_and(|host| is_loopback(host.host())))
        && target.is_none_or(|target| is_loopback(target.host()))
}

/// Tells whether a host name is one of loopback (RFC 6761, section 6.3).
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The whole request, unless its body is too large or ends early.
async fn received(request: HttpRequest<Incoming>) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.ok()?;
    Some(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(&parts.headers, &header::AUTHORIZATION),
        content_type: text(&parts.headers, &header::CONTENT_TYPE),
        body: body.to_bytes().into(),
    })
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Writes the length of the body ahead, since the body may be cut.
fn sent(response: Response, length: usize) -> HttpResponse<Body> {
    let mut builder = HttpResponse::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    if length > 0 {
        builder = builder.header(header::CONTENT_LENGTH, length);
    }
    let sent = builder.body(body(response.body));
    sent.unwrap_or_else(|_| bare(StatusCode::INTERNAL_SERVER_ERROR))
}

fn bare(status: StatusCode) -> HttpResponse<Body> {
    let mut response = HttpResponse::new(body(Vec::new()));
    *response.status_mut() = status;
    response
}

fn body(bytes: Vec<u8>) -> Body {
    Full::from(bytes).map_frame(|frame| frame)
}
