//! A screen that is drawn again and again, as long as something is watched. What was on the terminal before comes back
//! afterwards.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use tokio::sync::mpsc;

use super::escape;
use super::terminal::can_move_cursor;
use crate::ops::Error;
use crate::platform::tty::{self, Mode};

/// Takes the terminal's other screen, hides the cursor, and cuts long lines instead of breaking them.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const CLOSE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The height of a terminal that does not tell it.
const USUAL_HEIGHT: usize = 24;

/// The other screen of the terminal on standard output, until this is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    left: mpsc::Receiver<()>,
    _mode: Option<Mode>,
}

impl Screen {
    /// Opens the screen. Returns `None` if standard output is no terminal that can move its cursor.
    pub(crate) fn open() -> Option<Self> {
        if !can_move_cursor() || !io::stdout().is_terminal() {
            return None;
        }
        let mode = Mode::keys().ok();
        let (leave, left) = mpsc::channel(1);
        if mode.is_some() {
            // The thread waits for a key until the process ends.
            std::thread::spawn(move || wait_for_q(&leave));
        }
        write(OPEN).ok()?;
        Some(Self { left, _mode: mode })
    }

    /// Draws these lines, as many as the terminal has room for.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`](crate::ops::ErrorKind::Unexpected) if they cannot be written.
    #[expect(clippy::unused_self, reason = "only an open screen can be drawn on")]
    pub(crate) fn draw(&self, lines: &[String]) -> Result<(), Error> {
        let height = tty::height().unwrap_or(USUAL_HEIGHT);
        write(&frame(lines, height))
            .map_err(|error| Error::unexpected("the terminal cannot be written", &error))
    }

    /// Waits until the user presses `q`.
    pub(crate) async fn left(&mut self) {
        if self.left.recv().await.is_none() {
            // No key will come any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no order.
        let _ = write(CLOSE);
    }
}

/// Returns what draws these lines over the last ones. The last line of a terminal stays empty: a line feed there would
/// move everything.
fn frame(lines: &[String], height: usize) -> String {
    let shown = lines.iter().take(height.saturating_sub(1));
    let shown: String = shown
        .map(|line| escape::line(line) + "\x1b[K\r\n")
        .collect();
    format!("\x1b[H{shown}\x1b[J")
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn wait_for_q(leave: &mpsc::Sender<()>) {
    for byte in io::stdin().lock().bytes() {
        match byte {
            Ok(b'q' | b'Q') => break,
            Ok(_) => {}
            // Standard input has ended, so no key will come. Ctrl-C still leaves.
            Err(_) => return std::thread::park(),
        }
    }
    // The screen may be closed already.
    let _ = leave.blocking_send(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_lower_than_the_terminal_and_holds_no_foreign_escape() {
        let lines: Vec<String> = ["one", "two\x1b[2J", "three", "four"]
            .map(str::to_owned)
            .into();
        let frame = frame(&lines, 4);
        assert_eq!(frame.matches("\r\n").count(), 3);
        assert!(
            frame.contains("two\\u{1b}[2J") && !frame.contains("four"),
            "{frame:?}"
        );
    }
}
