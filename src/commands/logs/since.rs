//! From when on: an age or a time, in the words of `docker logs --since`, judged here.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The beginning of what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long ago, by the host's clock.
    Age(SignedDuration),
    /// This time.
    Time(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(age) = text.parse::<SignedDuration>() {
            return if age.is_negative() { Err("it is in the future".into()) } else { Ok(Self::Age(age)) };
        }
        let zoned = || text.parse::<Timestamp>().ok();
        let local =
            || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok().map(|time| time.timestamp());
        let help =
            "give an age (90s, 10m, 1h30m) or a time (2026-01-02, 2026-01-02T03:04:05, 2026-01-02T03:04:05Z)";
        zoned().or_else(local).map(Self::Time).ok_or_else(|| help.to_owned())
    }
}

impl Since {
    /// For `docker logs` on the host.
    #[must_use]
    pub fn option(self) -> String {
        match self {
            Self::Age(age) => format!("--since={}s", age.as_secs()),
            Self::Time(time) => format!("--since={time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_times_are_understood_and_nothing_else() {
        let option = |text: &str| text.parse::<Since>().map(Since::option);
        assert_eq!(option("10m").unwrap(), "--since=600s");
        assert_eq!(option("1h30m").unwrap(), "--since=5400s");
        assert_eq!(option("2026-01-02T03:04:05Z").unwrap(), "--since=2026-01-02T03:04:05Z");
        assert_eq!(option("2026-01-02T03:04:05+01:00").unwrap(), "--since=2026-01-02T02:04:05Z");
        for wrong in ["", "yesterday", "10", "-10m", "2026-13-01", "03:04"] {
            assert!(option(wrong).is_err(), "{wrong}: {:?}", option(wrong));
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_this_machine_s() {
        let there: DateTime = "2026-01-02T03:04:05".parse().unwrap();
        let here = there.to_zoned(TimeZone::system()).unwrap().timestamp();
        assert_eq!("2026-01-02T03:04:05".parse(), Ok(Since::Time(here)));
        assert!("2026-01-02".parse::<Since>().is_ok());
    }
}
