use std::process::Command;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[test]
fn a_crontabs_fields_are_written_for_systemd() {
    let cases = [
        ("0 3 * * *", "*-*-* 03:00:00"),
        ("* * * * *", "*-*-* *:*:00"),
        ("*/20 1-3,5 * * *", "*-*-* 01,02,03,05:00,20,40:00"),
        ("30 */6 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 00,06,12,18:30:00"),
        ("0 0 1-31/10 jan,JUN-Aug *", "*-01,06,07,08-01,11,21,31 00:00:00"),
        ("0 0 * * sat-7", "Sun,Sat *-*-* 00:00:00"),
        ("0 0 13 2 fri", "*-02-13 00:00:00; Fri *-02-* 00:00:00"),
        ("0 0 1-31 * mon", "*-*-* 00:00:00; Mon *-*-* 00:00:00"),
    ];
    for (cron, wanted) in cases {
        assert_eq!(on_calendar(cron).unwrap().join("; "), wanted, "{cron}");
    }
}

#[test]
fn what_a_timer_cannot_say_is_refused() {
    let cases = [
        ("0 3 * *", "has 4 fields"),
        ("0 3 30 2 *", "never comes"),
        ("0 3 31 4,6,9,11 *", "never comes"),
        ("0 3 */2 * 1", "disagree"),
        ("0 3 1 * */2", "disagree"),
        ("0 3 L * *", "`L` does not stand there"),
        ("0 3 15W * *", "`W` does not stand there"),
        ("L 3 * * *", "`L` does not stand there"),
        ("0 3 * mon *", "`mon` does not stand there"),
        ("0 3 * * jul", "`jul` does not stand there"),
        ("0 3 * * 5#2", "`#` does not stand there"),
        ("0 3 ? * *", "`?` does not stand there"),
        (", 3 * * *", "a list is empty"),
        ("5/15 3 * * *", "no schedule"),
        ("61 3 * * *", "`61`, where the minute goes from 0 to 59"),
    ];
    for (cron, says) in cases {
        let said = on_calendar(cron).unwrap_err();
        assert!(said.contains(says), "{cron}: {said}");
    }
    assert!(on_calendar("0 3 30 2 1").is_ok(), "on Mondays");
}

/// Lists of numbers, ranges and steps, so that no field is empty.
fn field(min: u16, max: u16) -> impl Strategy<Value = String> {
    let item = (min..=max, min..=max, 1..=max).prop_map(|(a, b, step)| match step % 4 {
        0 => a.to_string(),
        1 => format!("{}-{}", a.min(b), a.max(b)),
        _ => format!("{}-{}/{step}", a.min(b), a.max(b)),
    });
    let list = prop::collection::vec(item, 1..4).prop_map(|items| items.join(","));
    let every = (1..=max).prop_map(|step| format!("*/{step}"));
    prop_oneof![3 => Just("*".to_owned()), 1 => every, 3 => list]
}

fn schedules() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(|fields| {
        let (minute, hour, day, month, weekday) = fields;
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

const TIMES: usize = 8;

/// The next times after a moment, as systemd reckons them.
fn systemd(calendar: &str, after: &str) -> Vec<DateTime> {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["calendar", "--iterations", &TIMES.to_string(), "--base-time", after, calendar]);
    let ran = analyze.env("TZ", "UTC").output().unwrap();
    assert!(ran.status.success(), "{calendar}: {}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    let lines = text.lines().filter(|line| line.contains("Next elapse:") || line.contains("Iter. #"));
    lines
        .map(|line| {
            let mut words = line.rsplit(' ').skip(1);
            let (time, date) = (words.next().unwrap(), words.next().unwrap());
            format!("{date}T{time}").parse().unwrap()
        })
        .collect()
}

#[test]
fn systemd_and_cron_agree_on_the_next_times() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let months = (1..=12_i8, 1..=28_i8, 0..=23_i8)
        .prop_map(|(month, day, hour)| jiff::civil::date(2027, month, day).at(hour, 17, 0, 0));
    let agree = |(cron, after): (String, DateTime)| {
        let Ok(calendars) = on_calendar(&cron) else { return Err(TestCaseError::reject("refused")) };
        let base = after.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let mut found: Vec<DateTime> =
            calendars.iter().flat_map(|calendar| systemd(calendar, &base)).collect();
        found.sort();
        found.dedup();
        found.truncate(TIMES);
        let after = after.to_zoned(TimeZone::UTC).unwrap();
        let wanted: Vec<DateTime> =
            cron.parse::<Cron>().unwrap().iter_after(after).take(TIMES).map(|time| time.datetime()).collect();
        prop_assert_eq!(found, wanted, "{} is {:?}", cron, calendars);
        Ok(())
    };
    runner.run(&(schedules(), months), agree).unwrap();
}
