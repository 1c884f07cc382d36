//! A server on loopback that answers as a test decides, for what no simulated tenant does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::command::zpa_bulk;

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
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let script = Arc::new((date, answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            thread::spawn(move || serve(&stream.unwrap(), &script.0, &script.1, &log));
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

fn serve(
    mut stream: &TcpStream,
    date: &str,
    answer: &impl Fn(&str, &str) -> (u16, &'static str),
    log: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream);
    while let Some((method, path, body)) = request(&mut reader) {
        log.lock().unwrap().push(format!("{path} {body}"));
        let (status, text) = answer(&method, &path);
        let length = text.len();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: {length}\r\n\r\n{text}"
        )
        .unwrap();
    }
}

/// Method, path and body of the next request; nothing once the client is gone.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, String, String)> {
    let mut lines = Vec::new();
    for line in reader.by_ref().lines() {
        match line.ok()? {
            line if line.is_empty() => break,
            line => lines.push(line),
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    Some((method, path, String::from_utf8_lossy(&body).into_owned()))
}
