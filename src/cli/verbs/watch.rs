//! Watching runs: what `status --watch` and `runs --watch` show again and again. All of it is read from the files of the
//! runs, so the process that carries them out may be any. Changes nothing.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use crate::cli::settings::share;
use crate::cli::ui::{Screen, Terminal};
use crate::clock::monotonic;
use crate::coordination::Now;
use crate::engine::Items as _;
use crate::ops::{Error, Sharing, rounded};
use crate::pacer::{Pace, Quota};
use crate::platform::interrupted;
use crate::run::{RecordedSettings, RunState};
use crate::wire::QuotaClass;

/// The time between two looks. A look that takes long is followed by a longer one, so that watching takes at most a tenth
/// of a processor.
const PERIOD: Duration = Duration::from_secs(1);
const SHARE: u32 = 9;

/// One look at what is watched.
#[derive(Debug)]
pub(super) struct View {
    /// The lines on a terminal.
    pub(super) screen: Vec<String>,
    /// The lines elsewhere. Only those are printed that the last look did not have.
    pub(super) lines: Vec<String>,
    /// True if nothing changes any more.
    pub(super) is_over: bool,
    /// True if a screen stays all the same, until the user leaves.
    pub(super) stays: bool,
}

/// Looks again and again, until it is over, the user leaves, or nobody reads any more. Returns true if a screen was drawn,
/// which is gone now.
///
/// # Errors
/// Those of a look, and [`ErrorKind::Unexpected`](crate::ops::ErrorKind::Unexpected) if it cannot be shown.
pub(super) async fn watch(
    terminal: &Terminal,
    mut look: impl FnMut() -> Result<View, Error>,
) -> Result<bool, Error> {
    let mut screen = Screen::open();
    let mut last: Vec<String> = Vec::new();
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    loop {
        let begun = monotonic();
        let view = look()?;
        if let Some(screen) = &screen {
            screen.draw(&view.screen)?;
        } else {
            let new = view.lines.iter().filter(|line| !last.contains(line));
            terminal.result(&new.cloned().collect::<Vec<_>>())?;
            last = view.lines;
        }
        let stays = view.stays && screen.is_some();
        if (view.is_over && !stays) || terminal.is_unread() {
            break;
        }
        let pause = PERIOD.max(monotonic().duration_since(begun) * SHARE);
        tokio::select! {
            () = sleep(pause) => {}
            _ = &mut interrupted => break,
            () = left(screen.as_mut()) => break,
        }
    }
    Ok(screen.is_some())
}

async fn left(screen: Option<&mut Screen>) {
    match screen {
        Some(screen) => screen.left().await,
        None => std::future::pending().await,
    }
}

/// The speed of a run, from what was seen of it in the last minute.
#[derive(Debug, Default)]
pub(super) struct Speed {
    seen: VecDeque<(Instant, u64)>,
}

impl Speed {
    const REMEMBERED: Duration = Duration::from_secs(60);

    /// Takes in the number of items that have ended by now.
    pub(super) fn record(&mut self, finished: u64, at: Instant) {
        self.seen.push_back((at, finished));
        while let Some((next, _)) = self.seen.get(1)
            && at.saturating_duration_since(*next) >= Self::REMEMBERED
        {
            self.seen.pop_front();
        }
    }

    /// Returns the time that so many items still take at this speed; `None` while none has ended.
    pub(super) fn left(&self, items: u64) -> Option<Duration> {
        let ((begun, before), (at, now)) = (self.seen.front()?, self.seen.back()?);
        let ended = u32::try_from(now.saturating_sub(*before)).ok()?;
        let each = at.saturating_duration_since(*begun).checked_div(ended)?;
        Some(each.saturating_mul(u32::try_from(items).unwrap_or(u32::MAX)))
    }
}

/// Returns a bar of that many columns.
pub(super) fn bar(finished: u64, items: u64, width: u64) -> String {
    let full = finished
        .saturating_mul(width)
        .checked_div(items)
        .unwrap_or(width);
    let each = |column| if column < full { '█' } else { '░' };
    (0..width).map(each).collect()
}

/// Returns the words for the time that a run still takes.
pub(super) fn left_in_words(speed: &Speed, items: u64) -> Option<String> {
    let left = speed.left(items).filter(|_| items > 0)?;
    Some(format!("about {} left", rounded(left)))
}

/// Tells how many calls of each quota were sent in its last window, by this run and, as far as they share a table, by all
/// others of this user.
pub(super) fn quota_use(run: &RunState, now: Timestamp) -> Vec<String> {
    let recorded = RecordedSettings::read(&run.header).unwrap_or_default();
    let shared = |class, window| {
        let Sharing::Table(table) = share(&run.header.tenant) else {
            return None;
        };
        let clock = Now::read();
        let since = clock.uptime.saturating_sub(i64::try_from(window).ok()?);
        let recent = table.change(clock, |table| table.recent(class)).ok()?;
        Some(recent.iter().filter(|(at, _)| *at > since).count())
    };
    let own = |window| {
        let since = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        run.sent.iter().filter(|sent| **sent > since).count()
    };
    let classes = [
        (QuotaClass::Read, "read_quota", "reads", Quota::READ),
        (QuotaClass::Write, "write_quota", "writes", Quota::WRITE),
    ];
    let told = classes
        .into_iter()
        .filter_map(|(class, setting, what, default)| {
            let set = recorded
                .carried()
                .get(setting)
                .and_then(|value| value.as_str()?.parse().ok());
            let Pace::At(quota) = set.unwrap_or(Pace::At(default)) else {
                return None;
            };
            let shared = shared(class, quota.window.as_nanos());
            // The journal knows the writes of a run that shares nothing.
            let own = SignedDuration::try_from(quota.window).ok().map(own);
            let own = own.filter(|_| class == QuotaClass::Write);
            Some(format!("{what} {} of {quota}", shared.max(own)?))
        });
    told.collect()
}

/// Returns a line for each of the last failures: where the row stands, what it is about, and why it failed.
pub(super) fn failures(run: &RunState) -> Vec<String> {
    let files = &run.plan.origin().files;
    let each = run.failures.iter().filter_map(|outcome| {
        let item = run.plan.load(outcome.item).ok()?;
        let file = files.get(usize::from(item.file)).map_or("", String::as_str);
        let why = outcome.failure.as_ref().map(ToString::to_string);
        Some(format!(
            "{file}:{}: {:?}: {}",
            item.row,
            item.key,
            why.unwrap_or_default()
        ))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_last_minute() {
        let begun = Instant::now();
        let mut speed = Speed::default();
        let mut left = |seconds, finished| {
            speed.record(finished, begun + Duration::from_secs(seconds));
            left_in_words(&speed, 100 - finished)
        };
        assert_eq!(left(0, 40), None);
        assert_eq!(left(5, 40), None);
        assert_eq!(left(10, 50).unwrap(), "about 50s left");
        assert_eq!(left(60, 70).unwrap(), "about 1m 00s left");
        // The first minute was faster than the second.
        assert_eq!(left(70, 71).unwrap(), "about 1m 23s left");
        assert_eq!(left(71, 100), None);
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        assert_eq!(bar(0, 3, 6), "░░░░░░");
        assert_eq!(bar(2, 3, 6), "████░░");
        assert_eq!(bar(999, 1000, 6), "█████░");
        assert_eq!(bar(3, 3, 6), "██████");
        assert_eq!(bar(0, 0, 6), "██████");
    }
}
