//! Ten thousand broken files: each ends in a report that is bounded in time and length, and none in a panic.

use std::fmt::Write as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Numbers that are the same in every run: `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn one_of<'s>(&mut self, all: &[&'s str]) -> &'s str {
        all[self.below(all.len())]
    }
}

const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\\u001b[2J",
    "\\ud800",
    "null",
    "true",
    "-0",
    "1e999",
    "0x1",
    "//",
    "/*",
    "é",
    "\u{1f980}",
    "\u{202e}",
    "\u{9b}",
    "\u{1b}[31m",
    "\t",
    "\r",
    "\n",
    "\0",
    "${X}",
    "\"x\": 1,",
    "${",
    "\"tracker\": {}",
    "[[",
    "0.0.0.0:6969",
    "\"domain\": \"a.example.org\",",
    "99999999999999999999",
];

/// The processor time that a call takes: unlike the clock it does not depend on what else the machine does.
fn cost<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let began = now();
    (call(), now().saturating_sub(began))
}

fn place(text: &str, numbers: &mut Numbers) -> usize {
    text.floor_char_boundary(numbers.below(text.len() + 1))
}

fn mutated(text: &str, numbers: &mut Numbers) -> String {
    let mut text = match numbers.below(3) {
        // As a program writes it: everything on one line.
        0 => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => text.to_owned(),
    };
    for _ in 0..=numbers.below(4) {
        let start = place(&text, numbers);
        let end = text.floor_char_boundary((start + numbers.below(40)).min(text.len())).max(start);
        match numbers.below(12) {
            0..=2 => text.replace_range(start..end, ""),
            3..=4 => {
                let again = text[start..end].to_owned();
                text.insert_str(start, &again);
            }
            5..=9 => text.insert_str(start, numbers.one_of(PIECES)),
            10 => text.truncate(start),
            _ if numbers.below(20) == 0 => text.insert_str(start, &"x".repeat(70_000)),
            _ => text.insert_str(start, &numbers.one_of(PIECES).repeat(numbers.below(200))),
        }
    }
    text
}

#[test]
fn ten_thousand_broken_files_end_in_a_report() {
    let folder = folder();
    let files: Vec<String> = configs("valid").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut numbers = Numbers(26);
    let mut refused = 0;
    for round in 0..10_000 {
        let text = mutated(&files[round % files.len()], &mut numbers);
        let (parsed, cost) = cost(|| parse(&text, "x.json", folder.path()));
        if let Err(error) = parsed {
            refused += 1;
            assert!(error.drawing().len() < 200_000, "round {round}: {} bytes", error.drawing().len());
            assert!(!error.drawing().contains('\u{1b}'), "round {round} commands the terminal");
        }
        assert!(cost < Duration::from_secs(2), "round {round} took {cost:?}");
    }
    assert!(refused > 5_000, "{refused} were refused: the mutations are too mild");
}

#[test]
fn a_problem_on_an_endless_line_is_drawn() {
    let padding = " ".repeat(70_000);
    let text = format!("{{{padding}\"enviroment\": {{}}{padding}}}");
    let error = parse(&text, "x.json", folder().path()).unwrap_err();
    assert!(error.drawing().contains("[x.json:1:70002]"), "{}", error.drawing());
    assert!(error.drawing().contains("did you mean `environment`?"));
    assert!(error.drawing().lines().all(|line| line.chars().count() < 300));
}

fn with_unknown_keys(count: usize) -> String {
    let keys = (0..count).fold(String::new(), |mut keys, number| {
        let _ = writeln!(keys, "\"unknown-{number}\": 1,");
        keys
    });
    format!("{{\n{keys}\"environment\": {{}}}}")
}

#[test]
fn many_problems_cost_their_number_and_fifty_are_shown() {
    let folder = folder();
    let refuse = |count| cost(|| parse(&with_unknown_keys(count), "x.json", folder.path()).unwrap_err());
    let (_, few) = refuse(1_000);
    let (error, many) = refuse(8_000);
    assert!(many < few * 20, "1,000 unknown keys took {few:?}, 8,000 took {many:?}");
    assert_eq!(error.to_string(), "the configuration `x.json` has 8004 problems");
    assert!(error.drawing().contains("... and 7954 more problems"), "{}", error.drawing());
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{\"a\":"] {
        let text = open.repeat(100_000);
        let error = parse(&text, "x.json", folder().path()).unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
    }
}
