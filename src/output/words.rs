//! Figures as people say them.

/// A span of time in its largest whole unit: `3 hours`.
#[must_use]
pub fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..60 => (seconds.max(0), "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A size in its largest unit: `21.4 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let (mut unit, mut below) = ("B", 1);
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if count / below < 1024 {
            break;
        }
        (unit, below) = (larger, below * 1024);
    }
    if below == 1 {
        return format!("{count} B");
    }
    let tenths = u128::from(count) * 10 / u128::from(below);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_counts() {
        assert_eq!(
            [span(-3), span(1), span(60), span(7300), span(500_000)].join(", "),
            "0 seconds, 1 second, 1 minute, 2 hours, 5 days"
        );
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(3 << 30)].join(", "),
            "0 B, 1023 B, 1.5 KiB, 3.0 GiB"
        );
    }
}
