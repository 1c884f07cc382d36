//! The progress of a run: a bar on a terminal, and a plain line every five seconds elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::escape;
use super::terminal::Terminal;
use crate::clock::{local, monotonic};
use crate::engine::{ClassProgress, Progress};
use crate::ops::rounded;
use crate::pacer::Pace;

const REDRAW: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A display of the progress, shown until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Display {
    task: Option<JoinHandle<()>>,
    bar: Option<ProgressBar>,
}

impl Display {
    pub(crate) fn start(terminal: &Terminal, progress: watch::Receiver<Option<Progress>>) -> Self {
        if terminal.is_quiet() {
            return Self::default();
        }
        if !terminal.is_watched() {
            return Self {
                task: Some(tokio::spawn(lines(terminal.clone(), progress))),
                bar: None,
            };
        }
        let bar = ProgressBar::new(0).with_style(style(terminal.has_colours()));
        let bar = terminal.bars().add(bar);
        Self {
            task: Some(tokio::spawn(redraw(bar.clone(), progress))),
            bar: Some(bar),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns the style of the bar: as wide as the terminal, with the message on a line below, so that both fit.
fn style(colours: bool) -> ProgressStyle {
    let template = if colours {
        "{wide_bar:.cyan/blue}\n{wide_msg}"
    } else {
        "{wide_bar}\n{wide_msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn redraw(bar: ProgressBar, progress: watch::Receiver<Option<Progress>>) {
    let redraw = |now: &Progress, recent: &Recent| {
        bar.set_length(now.tally.items);
        bar.set_position(now.tally.finished());
        bar.set_message(escape::line(&message(now, recent, monotonic().into_std())));
    };
    each_tick(progress, redraw).await;
}

async fn lines(terminal: Terminal, progress: watch::Receiver<Option<Progress>>) {
    let mut said = monotonic();
    let say = |now: &Progress, recent: &Recent| {
        if monotonic() >= said + LINE_EVERY {
            said += LINE_EVERY;
            terminal.say(&message(now, recent, monotonic().into_std()));
        }
    };
    each_tick(progress, say).await;
}

async fn each_tick(
    progress: watch::Receiver<Option<Progress>>,
    mut show: impl FnMut(&Progress, &Recent),
) {
    let mut recent = Recent::default();
    let mut ticks = interval(REDRAW);
    loop {
        ticks.tick().await;
        if let Some(now) = *progress.borrow() {
            recent.record(&now, monotonic());
            show(&now, &recent);
        }
    }
}

/// The calls of the last windows of both quotas.
#[derive(Debug, Default)]
struct Recent {
    reads: Window,
    writes: Window,
}

impl Recent {
    fn record(&mut self, now: &Progress, at: Instant) {
        self.reads.record(now.read, at);
        self.writes.record(now.write, at);
    }
}

/// The number of calls of a class that had been sent when the last window of its quota began, and at each later growth.
#[derive(Debug, Default)]
struct Window {
    sent: VecDeque<(Instant, u64)>,
}

impl Window {
    fn record(&mut self, class: ClassProgress, at: Instant) {
        let Pace::At(quota) = class.quota else {
            return;
        };
        if self.sent.back().is_none_or(|(_, sent)| *sent < class.sent) {
            self.sent.push_back((at, class.sent));
        }
        // The first entry is the last one before the window began.
        while let Some((next, _)) = self.sent.get(1)
            && at.saturating_duration_since(*next) >= quota.window
        {
            self.sent.pop_front();
        }
    }

    /// Returns the number of calls in the window. `sent` is the number of all calls by now.
    fn calls(&self, sent: u64) -> u64 {
        let before = self.sent.front().map_or(sent, |(_, before)| *before);
        sent.saturating_sub(before)
    }
}

/// Returns the line below the bar. It names items, failures, and the time that is left or the end of a pause. After
/// these come all calls, and those of the last window of each quota. A narrow terminal cuts off the end, so the most
/// important parts come first.
fn message(now: &Progress, recent: &Recent, at: std::time::Instant) -> String {
    let calls = now.read.sent + now.write.sent;
    let paused_until = now.read.paused_until.max(now.write.paused_until);
    let left = match paused_until.filter(|until| at < *until) {
        Some(until) => format!("throttled until {}", clock_in(until - at)),
        None => format!(
            "{} left",
            rounded(now.ends_at.saturating_duration_since(at))
        ),
    };
    let (finished, items) = (now.tally.finished(), now.tally.items);
    let mut parts = vec![
        format!("{finished}/{items} items"),
        format!("{} failed", now.tally.failed),
        left,
        format!("{calls} calls"),
        rate("reads", now.read, &recent.reads),
        rate("writes", now.write, &recent.writes),
    ];
    for (count, what) in [
        (now.throttled, "throttled"),
        (now.unavailable, "unavailable"),
    ] {
        if count > 0 {
            parts.push(format!("{count}x {what}"));
        }
    }
    parts.join("  ")
}

fn rate(name: &str, class: ClassProgress, window: &Window) -> String {
    match class.quota {
        Pace::Unlimited => format!("{} {name}", class.sent),
        Pace::At(quota) => format!("{name} {} of {quota}", window.calls(class.sent)),
    }
}

fn clock_in(wait: Duration) -> String {
    let wait = jiff::SignedDuration::try_from(wait).unwrap_or_default();
    let until = local().checked_add(wait);
    until.map_or_else(
        |_| "later".to_owned(),
        |until| until.strftime("%H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal: its width in columns, and the text that was written on it.
    #[derive(Clone, Debug, Default)]
    struct Screen(u16, Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.0
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_line_breaks_on_a_terminal_of_any_width() {
        for width in [10, 20, 40, 80, 200] {
            let screen = Screen(width, Arc::default());
            let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
            let bar = ProgressBar::with_draw_target(Some(240), target)
                .with_style(style(true))
                .with_position(181)
                .with_message("181/240 items  0 failed  3m 20s left  1234 calls");
            bar.tick();
            let drawn = screen.1.lock().unwrap().clone();
            let (bar, text) = drawn.split_at(drawn.find('1').unwrap_or(0));
            for line in [bar, text] {
                let length = line.trim_end().chars().count();
                assert!(length <= width.into(), "{width}: {drawn}");
            }
            assert!(drawn.contains("181/240"), "{width}: {drawn}");
        }
    }

    #[test]
    fn a_rate_counts_the_calls_of_the_last_window() {
        let begun = Instant::now();
        let mut window = Window::default();
        let mut shown = |seconds: u64, sent| {
            let class = ClassProgress {
                quota: "10/10s".parse().unwrap(),
                sent,
                left: 0,
                paused_until: None,
                room_found: None,
            };
            window.record(class, begun + Duration::from_secs(seconds));
            rate("writes", class, &window)
        };
        // Calls before the first record belong to no window.
        for (seconds, sent, calls) in [
            (0, 4, 0),
            (1, 14, 10),
            (9, 14, 10),
            (11, 14, 0),
            (12, 20, 6),
            (21, 24, 10),
            (22, 24, 4),
            (40, 25, 1),
        ] {
            let said = format!("writes {calls} of 10/10s");
            assert_eq!(shown(seconds, sent), said, "after {seconds} s");
        }
    }

    #[test]
    fn durations_are_rounded_up_and_have_two_units() {
        for (millis, said) in [
            (0, "0s"),
            (1, "1s"),
            (59_001, "1m 00s"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 05m"),
        ] {
            assert_eq!(rounded(Duration::from_millis(millis)), said);
        }
    }
}
