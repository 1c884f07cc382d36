//! The command on a terminal: questions, a secret that is typed, and a screen that is watched.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::command::{assert_contains, zpa_bulk};
use crate::support::scratch;
use crate::support::tenant::{CUSTOMER, QUICK, Tenant};

/// A terminal with a command on it, and all that was shown.
struct Terminal {
    keyboard: File,
    command: Child,
    shown: String,
}

impl Terminal {
    fn start(command: &mut Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let screen = File::options().read(true).write(true).open(path).unwrap();
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        command.stdin(screen.try_clone().unwrap());
        command.stdout(screen.try_clone().unwrap()).stderr(screen);
        let child = command.spawn().unwrap();
        // The command is to be the only one that holds the screen: the end of it is the end of reading.
        *command = Command::new("true");
        Self {
            keyboard: keyboard.into(),
            command: child,
            shown: String::new(),
        }
    }

    /// Waits until the end of what was shown has that text.
    #[track_caller]
    fn until(&mut self, text: &str) -> &mut Self {
        let from = self.shown.len();
        while !self.shown[from..].contains(text) {
            assert!(self.read(), "{text:?} is not in:\n{}", self.shown);
        }
        self
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits for the end. Answers the exit code and all that was shown. Fails unless the terminal is as it was.
    fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        let code = self.command.wait().unwrap().code();
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        (code, self.shown)
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // Reading fails once nobody holds the screen any more.
        let read = self.keyboard.read(&mut bytes).unwrap_or(0);
        self.shown
            .push_str(&String::from_utf8_lossy(&bytes[..read]));
        read > 0
    }
}

#[test]
fn a_typed_secret_is_stored_and_not_shown() {
    let tenant = Tenant::start(QUICK);
    let mut command = zpa_bulk();
    command.env("XDG_CONFIG_HOME", tenant.path("config"));
    command.args(["init", "--base-url", &tenant.url, "--customer-id", CUSTOMER]);
    let mut terminal = Terminal::start(&mut command);
    terminal.until("(legacy)? [oneapi]:").press("neither\n");
    terminal
        .until("must be oneapi or legacy")
        .until(":")
        .press("legacy\n");
    terminal.until("Address of the API").press("\n");
    terminal.until("[PRODUCTION]:").press("\n");
    terminal
        .until(&format!("Customer id [{CUSTOMER}]:"))
        .press("\n");
    terminal.until("Client id:").press("me\n");
    terminal.until("Number [1]:").press("\n");
    terminal
        .until("(it is not shown):")
        .press("hush-hash\x7f\x7f\x7fush\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_contains(&shown, "next: zpa-bulk export portal-link");
    assert!(!shown.contains("hush"), "{shown}");
    let secret = fs::read_to_string(tenant.path("config/zpa-bulk/default.secret")).unwrap();
    assert_eq!(secret, "hush-hush\n");
}

#[test]
fn a_user_who_gives_up_leaves_all_as_it_was() {
    let directory = scratch();
    let mut command = zpa_bulk();
    command.env("XDG_CONFIG_HOME", directory.path().join("config"));
    command.args([
        "init",
        "--customer-id",
        "17",
        "--client-id",
        "me",
        "--secret-from-stdin",
    ]);
    let mut terminal = Terminal::start(&mut command);
    terminal.until("(it is not shown):").press("half of it\x03");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(2), "{shown}");
    assert_contains(&shown, "nothing was written");
    assert!(!shown.contains("half of it") && !directory.path().join("config").exists());
}

#[test]
fn a_watched_screen_is_left_with_q() {
    let tenant = Tenant::start(QUICK);
    tenant
        .apply("links.csv", "name,url\nWiki,https://wiki.example\n")
        .expect(0);
    let mut terminal = Terminal::start(&mut tenant.command(&["runs", "--watch"]));
    terminal.until("q leaves").until("1/1 items").press("xq");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    let (screen, after) = shown.rsplit_once("\x1b[?1049l").unwrap();
    assert!(screen.starts_with("\x1b[?1049h"), "{shown:?}");
    assert_contains(after, "1/1 items");
}
