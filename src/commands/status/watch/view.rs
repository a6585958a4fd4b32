//! What is shown: the last look, what it means, what was before, and what the user chose.

use std::time::Instant;

use super::super::facts::{Container, Facts};
use super::super::judge::{self, Level, Line, Topic, Wanted};
use super::feed::{Feed, News};
use super::rates::Rates;
use crate::error::Error;
use crate::output::Out;

/// The state of a watch.
pub struct View {
    /// Environment and address.
    pub title: String,
    /// Whether colours may be used.
    pub color: bool,
    /// All that is known: a look at the containers alone leaves the rest as it was.
    pub facts: Facts,
    /// What it means.
    pub lines: Vec<Line>,
    /// From look to look.
    pub rates: Rates,
    /// The last lines of the chosen container's log.
    pub log: Vec<String>,
    /// Why there are no looks now.
    pub lost: Option<String>,
    /// Whether the keys are explained.
    pub help: bool,
    /// The chosen one of the containers.
    pub selected: usize,
    /// Whose log the lines are of.
    log_of: String,
    wanted: Wanted,
    seen_at: Option<Instant>,
    interval: f64,
}

impl View {
    /// A view that has seen nothing yet.
    #[must_use]
    pub fn new(title: String, wanted: Wanted, color: bool, interval: f64) -> Self {
        Self {
            title,
            color,
            facts: Facts::default(),
            lines: vec![],
            rates: Rates::default(),
            log: vec![],
            lost: None,
            help: false,
            selected: 0,
            log_of: String::new(),
            wanted,
            seen_at: None,
            interval,
        }
    }

    /// Takes what came; whether anything did.
    pub fn take_all(&mut self, feed: &Feed, out: &Out) -> bool {
        let mut any = false;
        while let Ok(news) = feed.news.try_recv() {
            any = true;
            match news {
                News::Listens(input) => feed.listens(input),
                News::Lost(error) => self.lose(&error),
                News::Look(facts) => {
                    self.take(*facts, out);
                    self.keep_log(feed);
                }
            }
        }
        any
    }

    fn lose(&mut self, error: &Error) {
        self.lost = Some(error.message().to_owned());
    }

    /// Takes a look.
    pub fn take(&mut self, mut facts: Facts, out: &Out) {
        self.rates.take(&facts);
        let log = facts.log.take().unwrap_or_default();
        self.log = log.lines.iter().map(|line| shown(&out.masked(line))).collect();
        self.log_of = log.container;
        facts.remember(&self.facts);
        // In the order of the configuration; what does not belong there comes last.
        let place =
            |name: &str| self.wanted.containers.iter().position(|one| one.name == name).unwrap_or(usize::MAX);
        facts.docker.containers.sort_by_key(|container| place(&container.service));
        self.lines = judge::judge(&facts, &self.wanted, None);
        self.facts = facts;
        self.lost = None;
        self.seen_at = Some(Instant::now());
        self.selected = self.selected.min(self.facts.docker.containers.len().saturating_sub(1));
    }

    /// On a new connection no log is chosen yet.
    fn keep_log(&self, feed: &Feed) {
        if let Some(container) = self.chosen().filter(|container| container.name != self.log_of) {
            feed.want_log(&container.name);
        }
    }

    /// The chosen container.
    #[must_use]
    pub fn chosen(&self) -> Option<&Container> {
        self.facts.docker.containers.get(self.selected)
    }

    /// Chooses the next one, or the one before.
    pub fn choose(&mut self, forward: bool, feed: &Feed) {
        let count = self.facts.docker.containers.len().max(1);
        self.selected = (self.selected + if forward { 1 } else { count - 1 }) % count;
        self.log.clear();
        self.keep_log(feed);
    }

    /// What is not as it should be, the worst first.
    #[must_use]
    pub fn problems(&self) -> Vec<&Line> {
        let of = |level| self.lines.iter().filter(move |line| line.level == level);
        of(Level::Bad).chain(of(Level::Warning)).collect()
    }

    /// How a container's line was judged.
    #[must_use]
    pub fn level(&self, container: &Container) -> Level {
        let names = [&container.service, &container.name];
        let mut lines = self.lines.iter().filter(|line| line.topic == Topic::Services);
        lines.find(|line| names.contains(&&line.name)).map_or(Level::Skipped, |line| line.level)
    }

    /// What is to be said about the connection, when it is not well.
    #[must_use]
    pub fn silence(&self) -> Option<String> {
        if let Some(why) = &self.lost {
            return Some(format!("connection lost, trying again: {why}"));
        }
        match self.seen_at {
            None => Some("connecting".into()),
            Some(at) if at.elapsed().as_secs_f64() > 2.0 * self.interval + 5.0 => {
                Some(format!("no news for {} s", at.elapsed().as_secs()))
            }
            Some(_) => None,
        }
    }
}

/// A container's line must not paint on the screen.
fn shown(line: &str) -> String {
    let plain = anstream::adapter::strip_str(line).to_string();
    plain.replace('\t', "    ").chars().filter(|character| !character.is_control()).collect()
}
