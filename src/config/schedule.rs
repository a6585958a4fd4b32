//! A crontab's five fields, and the same as systemd's timers have it: <https://man.debian.org/systemd.time.7>.

use croner::{Cron, CronComponent};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/// The last day that each month can have.
const LAST_DAYS: [u16; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What a crontab's fields are called, and what may stand in each.
const FIELDS: [&str; 5] = [
    "minute goes from 0 to 59",
    "hour goes from 0 to 23",
    "day of the month goes from 1 to 31",
    "month goes from 1 to 12",
    "day of the week goes from 0 to 7",
];

/// The values of `OnCalendar` that elapse when cron would run: two where either day counts.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn on_calendar(text: &str) -> Result<Vec<String>, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[_, _, day, _, weekday] = fields.as_slice() else {
        let plural = if fields.len() == 1 { "" } else { "s" };
        return Err(format!("`{text}` has {} field{plural}, a schedule has 5", fields.len()));
    };
    // The parser takes more than a crontab has: last days, nearest weekdays, and names wherever they stand.
    let stray = text.chars().find(|c| "?#+".contains(*c)).map(String::from);
    let names: [&[&str]; 5] = [&[], &[], &[], &MONTHS, &WEEKDAYS];
    if let Some(stray) =
        stray.or_else(|| fields.iter().zip(names).find_map(|(field, names)| misplaced(field, names)))
    {
        return Err(format!("`{stray}` does not stand there in a crontab"));
    }
    let cron: Cron = text.parse().map_err(|_| format!("`{text}` is no schedule: {}", culprit(&fields)))?;
    let pattern = cron.pattern;
    let parts = [&pattern.minutes, &pattern.hours, &pattern.days, &pattern.months, &pattern.days_of_week];
    if parts.iter().any(|part| part.values().is_empty()) {
        return Err(format!("`{text}` is no schedule: a list is empty"));
    }
    let limited = |field: &str| field != "*";
    let both = limited(day) && limited(weekday);
    if both && (day.starts_with('*') || weekday.starts_with('*')) {
        return Err(format!(
            "`{text}` limits the day of month and the day of week, one of them with a step from `*`: crons disagree whether then both must fit"
        ));
    }
    if !limited(weekday) && !comes(&pattern.days.values(), &pattern.months.values()) {
        return Err(format!("`{text}` never comes: no such month has such a day"));
    }
    let time = format!("{}:{}:00", list(&pattern.hours), list(&pattern.minutes));
    let (months, days) = (list(&pattern.months), list(&pattern.days));
    let names: Vec<&str> =
        pattern.days_of_week.values().into_iter().map(|day| WEEKDAYS[usize::from(day)]).collect();
    let names = names.join(",");
    Ok(match (limited(day), limited(weekday)) {
        (_, false) => vec![format!("*-{months}-{days} {time}")],
        (false, true) => vec![format!("{names} *-{months}-* {time}")],
        (true, true) => vec![format!("*-{months}-{days} {time}"), format!("{names} *-{months}-* {time}")],
    })
}

/// What is wrong with a schedule that cannot be parsed: the parser does not say where.
fn culprit(fields: &[&str]) -> String {
    let alone = |place: usize| {
        let mut rest = ["*"; 5];
        rest[place] = fields[place];
        rest.join(" ").parse::<Cron>().is_err()
    };
    let place = (0..FIELDS.len()).find(|place| alone(*place));
    place.map_or_else(
        || "its fields do not fit together".into(),
        |place| format!("`{}`, where the {}", fields[place], FIELDS[place]),
    )
}

/// A word of the field that is none of these names.
fn misplaced(field: &str, names: &[&str]) -> Option<String> {
    let mut words = field.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.find(|word| !names.iter().any(|name| name.eq_ignore_ascii_case(word))).map(str::to_owned)
}

/// `*`, or the values one by one.
fn list(part: &CronComponent) -> String {
    let values = part.values();
    if values.len() == usize::from(part.max - part.min) + 1 {
        return "*".into();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

fn comes(days: &[u16], months: &[u16]) -> bool {
    months.iter().any(|month| days.iter().any(|day| *day <= LAST_DAYS[usize::from(*month) - 1]))
}

#[cfg(test)]
mod tests;
