//! The simulator over real HTTP. [`Sim::handle`] decides every answer; the server only carries bytes,
//! writes the log file, waits for the delay, and breaks connections.

#![expect(
    clippy::disallowed_methods,
    reason = "the edge of the simulator: it passes the time on"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::line::{Line, Lines};
use super::{Delivery, LogEntry, Request, Response, Scenario, Sim};

/// The largest body that is read. A batch of 500 links, each with an icon, is well below.
const LARGEST_BODY: usize = 64 << 20;

/// The longest time that [`Server::stop`] waits for answers that have not left yet.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The options of a [`Server`].
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The loopback address to listen on. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The scenario to simulate.
    pub scenario: Scenario,
    /// The seed of ids, tokens, delays and all other random numbers.
    pub seed: u64,
    /// A file to which one JSON line is appended when a request arrives.
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
}

impl Server {
    /// Starts a server in a task of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the address is not a loopback address: secrets are not checked,
    /// so no other machine may reach the server. Otherwise the error of opening the port or the log file.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            let message = format!(
                "the simulator listens on loopback only, not on {}",
                options.listen
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options)?);
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
        let log = options
            .log
            .map(|path| OpenOptions::new().create(true).append(true).open(path))
            .transpose()?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let epoch = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        let sim = Mutex::new(Sim::new(options.scenario, options.seed, epoch));
        Ok(Self {
            start: Instant::now(),
            sim,
            log: log.map(Mutex::new),
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
            append(file, line);
        }
        let leaves = arrived + response.delay;
        (response, leaves)
    }
}

fn append(mut file: MutexGuard<'_, File>, line: Option<Vec<u8>>) {
    let Some(mut line) = line else { return };
    line.push(b'\n');
    if let Err(error) = file.write_all(&line) {
        tracing::warn!(%error, "the simulator's request log could not be written");
    }
}

/// Locks a mutex even if a thread panicked with it. At worst one call was executed by half, which is no
/// reason to stop answering.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let router = Router::new().fallback(answer).with_state(shared);
    let router = router.into_make_service_with_connect_info::<Line>();
    let until_stopped = async {
        // A dropped sender also means that the server is gone.
        let _ = stopped.await;
    };
    if let Err(error) = axum::serve(Lines(listener), router)
        .with_graceful_shutdown(until_stopped)
        .await
    {
        tracing::error!(%error, "the simulator stopped serving");
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let Some(request) = received(request).await else {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let travel = lock(&shared.sim).travel(&request);
    if !travel.is_zero() {
        tokio::time::sleep(travel).await;
    }
    let (response, leaves) = shared.handle(&request);
    if !response.delay.is_zero() {
        tokio::time::sleep_until(leaves).await;
    }
    match response.delivery {
        Delivery::Whole => {}
        Delivery::Truncated => line.break_after_head_and(response.body.len() / 2),
        Delivery::Dropped => line.break_now(),
        // The future ends when the client hangs up.
        Delivery::Withheld => std::future::pending().await,
    }
    sent(response)
}

/// Reads the whole request; none if its body is too large or ends early.
async fn received(request: axum::extract::Request) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.ok()?;
    Some(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(&parts.headers, &header::AUTHORIZATION),
        content_type: text(&parts.headers, &header::CONTENT_TYPE),
        body: body.into(),
    })
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn sent(response: Response) -> axum::response::Response {
    let mut builder = axum::response::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Body::from(response.body))
        .unwrap_or_else(|_| bare(StatusCode::INTERNAL_SERVER_ERROR))
}

fn bare(status: StatusCode) -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
