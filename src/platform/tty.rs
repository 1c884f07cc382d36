//! The terminal: what is typed without being shown, keys that count at once, and its height.

use std::io;

#[cfg(unix)]
pub use self::unix::{Mode, height, hidden_line};

#[cfg(not(unix))]
pub use self::elsewhere::{Mode, height, hidden_line};

/// The most bytes of a hidden line.
const LONGEST: usize = 1 << 16;

/// The line that is typed so far, byte by byte, and not shown.
#[derive(Debug, Default)]
struct Typed(Vec<u8>);

/// The step after a byte.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    More,
    Entered,
    GivenUp,
}

impl Typed {
    /// Takes one byte, and obeys the keys by which a terminal lets a line be edited: backspace, Ctrl-U, Ctrl-C, Ctrl-D.
    fn take(&mut self, byte: u8) -> Step {
        match byte {
            0x03 => return Step::GivenUp,
            0x04 if self.0.is_empty() => return Step::GivenUp,
            b'\n' | b'\r' | 0x04 => return Step::Entered,
            0x08 | 0x7f => self.rub_out(),
            0x15 => self.0.clear(),
            _ if self.0.len() < LONGEST => self.0.push(byte),
            _ => {}
        }
        Step::More
    }

    /// Removes the last character, which may be of several bytes.
    fn rub_out(&mut self) {
        while let Some(byte) = self.0.pop() {
            if byte & 0b1100_0000 != 0b1000_0000 {
                return;
            }
        }
    }

    fn into_text(self) -> io::Result<String> {
        String::from_utf8(self.0)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Read as _, Write as _};

    use rustix::termios::{
        LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr,
    };

    use super::{Step, Typed};

    /// A mode of the terminal on standard input, which goes back to the former one when this is dropped.
    #[derive(Debug)]
    pub struct Mode {
        former: Termios,
    }

    impl Mode {
        /// Lets each key count at once, and shows none. Ctrl-C still interrupts.
        ///
        /// # Errors
        /// An [`io::Error`] if standard input is no terminal.
        pub fn keys() -> io::Result<Self> {
            Self::without(LocalModes::ECHO | LocalModes::ICANON)
        }

        /// Lets each key count at once, Ctrl-C too, and shows none.
        fn hidden() -> io::Result<Self> {
            Self::without(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
        }

        fn without(modes: LocalModes) -> io::Result<Self> {
            let former = tcgetattr(io::stdin())?;
            let mut changed = former.clone();
            changed.local_modes.remove(modes);
            tcsetattr(io::stdin(), OptionalActions::Now, &changed)?;
            Ok(Self { former })
        }
    }

    impl Drop for Mode {
        fn drop(&mut self) {
            // A terminal that is gone has no mode.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.former);
        }
    }

    /// Returns the number of lines of the terminal on standard output; `None` if it has none.
    #[must_use]
    pub fn height() -> Option<usize> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(size.ws_row.into()).filter(|rows| *rows > 0)
    }

    /// Asks a question on standard error, and reads a line from the terminal on standard input without showing it. Returns
    /// `None` if the user gives up, with Ctrl-C or Ctrl-D. Ctrl-C is a key here, since a process that a signal ends would
    /// leave the terminal without echo.
    ///
    /// # Errors
    /// An [`io::Error`] if standard input is no terminal, or cannot be read.
    pub fn hidden_line(question: &str) -> io::Result<Option<String>> {
        // Before the question, so that no answer is too early to be hidden.
        let _mode = Mode::hidden()?;
        write!(io::stderr(), "{question} ")?;
        let mut typed = Typed::default();
        for byte in io::stdin().lock().bytes() {
            match typed.take(byte?) {
                Step::More => {}
                Step::Entered => return typed.into_text().map(Some),
                Step::GivenUp => return Ok(None),
            }
        }
        Ok(None)
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::io;

    /// No mode: keys count when the line is entered.
    #[derive(Debug)]
    pub struct Mode;

    impl Mode {
        /// Refuses.
        ///
        /// # Errors
        /// [`io::ErrorKind::Unsupported`].
        pub fn keys() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Returns `None`: the terminal is not asked.
    #[must_use]
    pub fn height() -> Option<usize> {
        None
    }

    /// Refuses: what is typed would be shown.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`].
    pub fn hidden_line(_: &str) -> io::Result<Option<String>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        let mut line = Typed::default();
        for key in keys {
            match line.take(*key) {
                Step::More => {}
                Step::Entered => return line.into_text().ok(),
                Step::GivenUp => return None,
            }
        }
        None
    }

    #[test]
    fn a_hidden_line_can_be_edited() {
        for (keys, line) in [
            (&b"s3cret\n"[..], Some("s3cret")),
            (b"s3crex\x7ft\r", Some("s3cret")),
            ("s3cré\x7f\x08ret\n".as_bytes(), Some("s3cret")),
            (b"\x7f\x7fa\n", Some("a")),
            (b"wrong\x15right\n", Some("right")),
            (b"right\x04", Some("right")),
            (b"\x04", None),
            (b"half\x03", None),
            (b"\xff\n", None),
        ] {
            assert_eq!(typed(keys).as_deref(), line, "{keys:?}");
        }
    }

    #[test]
    fn a_hidden_line_has_a_bound() {
        let mut keys = vec![b'x'; LONGEST + 9];
        keys.push(b'\n');
        assert_eq!(typed(&keys).unwrap().len(), LONGEST);
    }
}
