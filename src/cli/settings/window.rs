//! Change windows: the hours of a day in which a run may work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use jiff::{ToSpan as _, Zoned};

/// The hours of a day in which a run may work, in local time. A window whose end is before its beginning spans
/// midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeWindow {
    from: Time,
    to: Time,
}

impl ChangeWindow {
    /// Returns the time from `now` to the end of the window, if `now` is in it. The end is an instant of the local
    /// clock: a window is an hour shorter in the night in which the clock is put forward.
    pub(crate) fn left(self, now: &Zoned) -> Option<Duration> {
        let time = now.time();
        let within = if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        };
        if !within {
            return None;
        }
        let over_midnight = self.to <= time;
        let day = now
            .date()
            .checked_add(i32::from(over_midnight).days())
            .ok()?;
        let end = day.to_datetime(self.to).to_zoned(now.time_zone().clone());
        Duration::try_from(end.ok()?.duration_since(now)).ok()
    }
}

impl FromStr for ChangeWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a change window; write it like 22:00-04:30");
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let window = Self {
            from: time(from).ok_or_else(wrong)?,
            to: time(to).ok_or_else(wrong)?,
        };
        if window.from == window.to {
            return Err(format!("{text:?} begins and ends at the same time"));
        }
        Ok(window)
    }
}

impl fmt::Display for ChangeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.strftime("%R"), self.to.strftime("%R"));
        write!(f, "{from}-{to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(window: &str, time: &str) -> Option<u64> {
        let now: Zoned = format!("2026-03-10T{time}[Europe/Zurich]").parse().unwrap();
        let window: ChangeWindow = window.parse().unwrap();
        window.left(&now).map(|left| left.as_secs() / 60)
    }

    #[test]
    fn a_window_lasts_until_its_end_and_may_span_midnight() {
        assert_eq!(left("08:00-18:30", "17:00:00"), Some(90));
        assert_eq!(left("08:00-18:30", "18:30:00"), None);
        assert_eq!(left("08:00-18:30", "07:59:59"), None);
        assert_eq!(left("22:00-04:30", "23:00:00"), Some(330));
        assert_eq!(left("22:00-04:30", "04:00:00"), Some(30));
        assert_eq!(left("22:00-04:30", "12:00:00"), None);
        assert_eq!(left("22:00-00:00", "23:00:00"), Some(60));
    }

    #[test]
    fn the_night_of_summer_time_is_an_hour_shorter() {
        let now: Zoned = "2026-03-28T23:00:00[Europe/Zurich]".parse().unwrap();
        let window: ChangeWindow = "22:00-04:00".parse().unwrap();
        assert_eq!(window.left(&now), Some(Duration::from_secs(4 * 3600)));
    }

    #[test]
    fn texts_that_are_no_window_are_refused() {
        for wrong in [
            "",
            "22:00",
            "22:00-24:00",
            "aa-bb",
            "08:00-08:00",
            "8-9",
            "08:60-09:00",
        ] {
            assert!(wrong.parse::<ChangeWindow>().is_err(), "{wrong}");
        }
        assert_eq!(
            "8:5-9:00".parse::<ChangeWindow>().unwrap().to_string(),
            "08:05-09:00"
        );
    }
}
