use super::*;

fn load(answered: usize, late_ms: f64, stayed: usize) -> Load {
    let figures = Figures {
        sent: 1000,
        answered,
        errors: [("no answer in time".to_owned(), 1000 - answered)]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .collect(),
        per_second: 200.0,
        p50_ms: 1.5,
        p95_ms: 3.0,
        p99_ms: 4.0,
        max_ms: 9.0,
        late_ms,
    };
    Load { endpoint: "HTTP tracker 7070".into(), rate: 200, seconds: 5, figures, stayed, before: None }
}

#[test]
fn errors_beyond_the_limit_fail_and_slowness_does_not() {
    assert!(matches!(judge(&load(990, 0.5, 0)), Answer::Passed { .. }));
    let Answer::Failed(fault) = judge(&load(989, 0.5, 0)) else { panic!() };
    assert_eq!(fault.expected, "at most 1 % of 1000 announces without an answer");
    assert!(fault.seen.contains("11 times: no answer in time"), "{}", fault.seen);
    let slow = |load| matches!(judge(&load), Answer::Warning { .. });
    assert!(slow(load(1000, 500.0, 0)) && slow(load(1000, 0.0, 3)));
}

#[test]
fn the_last_run_with_the_same_load_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(history::read(folder.path()).len(), 0);
    let (mut slower, other) = (load(1000, 0.0, 0), Load { rate: 100, ..load(1000, 0.0, 0) });
    slower.figures.p50_ms = 3.0;
    history::append(folder.path(), time("2026-01-30T03:00:00Z"), &[slower]).unwrap();
    history::append(folder.path(), time("2026-01-31T03:00:00Z"), &[other]).unwrap();
    let path = folder.path().join("performance.jsonl");
    let cut = std::fs::read_to_string(&path).unwrap() + "{\"time\":";
    std::fs::write(path, cut).unwrap();

    let now = load(1000, 0.0, 0);
    let before = history::last(&history::read(folder.path()), &now).unwrap();
    assert_eq!(before.time, time("2026-01-30T03:00:00Z"));
    let Answer::Passed { seen } = judge(&Load { before: Some(before), ..now }) else { panic!() };
    let told = "against 2026-01-30 03:00:00 UTC: p50 0.5 times, p95 1.0 times, p99 1.0 times, answers a second 1.0 times";
    assert!(seen.ends_with(told), "{seen}");
}
