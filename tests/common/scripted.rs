//! A server on loopback that answers what a test says, for what no simulated tenant does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// An answer to a sign-in.
pub(crate) const TOKEN: &str = r#"{"access_token":"t","expires_in":"3600"}"#;

/// The time as the `Date` of an answer.
pub(crate) fn now() -> &'static str {
    let now = jiff::fmt::rfc2822::to_string(&jiff::Timestamp::now().in_tz("UTC").unwrap());
    Box::leak(now.unwrap().replace("+0000", "GMT").into_boxed_str())
}

/// A server that answers what `answer` says for a method and a path, with that `Date`: its address, and the path and body
/// of every request. Ends with the test.
pub(crate) fn server(
    date: &'static str,
    answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            thread::spawn(move || serve(&stream.unwrap(), date, &*answer, &log));
        }
    });
    (url, seen)
}

fn serve(
    stream: &TcpStream,
    date: &str,
    answer: &impl Fn(&str, &str) -> (u16, &'static str),
    log: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        for line in reader.by_ref().lines() {
            match line {
                Ok(line) if !line.is_empty() => lines.push(line),
                Ok(_) => break,
                Err(_) => return,
            }
        }
        let mut words = lines.first().into_iter().flat_map(|line| line.split(' '));
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return;
        };
        let length = lines.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        log.lock()
            .unwrap()
            .push(format!("{path} {}", String::from_utf8_lossy(&body)));
        let (status, text) = answer(method, path);
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        )
        .unwrap();
    }
}
