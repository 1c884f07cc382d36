//! A server on loopback that answers as a test decides, for what no simulated tenant does.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::command::zpa_bulk;
use super::scratch;

/// The answer to a sign-in.
pub(crate) const TOKEN: &str = r#"{"access_token":"t","expires_in":"3600"}"#;

/// The answer to a listing of which there is nothing.
pub(crate) const NONE: &str = r#"{"totalPages":"0","totalCount":"0"}"#;

/// The path and the body of every request so far.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// The time as the `Date` of an answer.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now().in_tz("UTC").unwrap();
    let now = jiff::fmt::rfc2822::to_string(&now).unwrap();
    now.replace("+0000", "GMT")
}

/// Starts a server that gives the `answer` to a method and a path. Returns its address and what it sees.
pub(crate) fn server(
    answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + Sync + 'static,
) -> (String, Seen) {
    server_at(now(), answer)
}

/// Starts such a server with that `Date` in its answers.
pub(crate) fn server_at(
    date: String,
    answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + Sync + 'static,
) -> (String, Seen) {
    raw_server(move |asked, stream| {
        let (status, text) = answer(&asked.method, &asked.path);
        let date = format!("date: {date}");
        write_answer(stream, status, &[&date], text)
    })
}

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The lines of the head after the first.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Asked {
    /// Returns true for the sign-in.
    pub(crate) fn signs_in(&self) -> bool {
        self.path.ends_with("/signin")
    }
}

/// Writes a whole answer with these lines in its head.
pub(crate) fn write_answer(
    mut stream: &TcpStream,
    status: u16,
    headers: &[&str],
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())
}

/// Writes an answer with a body of that many bytes. The client may leave before its end.
pub(crate) fn write_flood(mut stream: &TcpStream, status: u16, bytes: u64) -> io::Result<()> {
    let piece = [b' '; 16 * 1024];
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {bytes}\r\n\r\n"
    )?;
    let pieces = bytes / piece.len() as u64;
    (0..pieces).try_for_each(|_| stream.write_all(&piece))
}

/// Starts a server that writes its answers as it likes. A connection ends with the first one that fails.
pub(crate) fn raw_server(
    answer: impl Fn(&Asked, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            thread::spawn(move || {
                let stream = stream.unwrap();
                let mut reader = BufReader::new(&stream);
                while let Some(asked) = request(&mut reader) {
                    let line = format!("{} {}", asked.path, asked.body);
                    log.lock().unwrap().push(line);
                    if answer(&asked, &stream).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, seen)
}

/// The command with the address of such a server, and credentials.
pub(crate) fn command(url: &str, args: &[&str]) -> Command {
    let mut command = zpa_bulk();
    command
        .args(args)
        .env("ZPA_CLIENT_ID", "me")
        .env("ZPA_CLIENT_SECRET", "s")
        .env("ZPA_CUSTOMER_ID", "1")
        .env("ZPA_BULK_BASE_URL", url);
    command
}

/// The next request; nothing once the client is gone.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    for line in reader.by_ref().lines() {
        match line.ok()? {
            line if line.is_empty() => break,
            line => lines.push(line),
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers = lines.split_off(1);
    let length = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}

/// A directory with a manifest, and a server that answers as a test decides.
pub(crate) struct Hostile {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) seen: Seen,
}

impl Hostile {
    /// Writes the manifest as `links.csv`, and starts the server.
    pub(crate) fn start(
        manifest: &str,
        answer: impl Fn(&Asked, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let dir = scratch();
        fs::write(dir.path().join("links.csv"), manifest).unwrap();
        let (url, seen) = raw_server(answer);
        Self { dir, url, seen }
    }

    /// The command in this directory with the address of this server, as fast as it can read.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.url, args);
        command
            .current_dir(self.dir.path())
            .env("ZPA_BULK_READ_QUOTA", "off");
        command
    }

    /// The number of requests with that text in them.
    pub(crate) fn asked(&self, text: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|asked| asked.contains(text)).count()
    }
}
