//! The conversation with `logs.py`, from our side: what is already there is put in the order of time, then lines are
//! told as they come. Of each container it is known how far it was read, so that nothing is told twice after a restart
//! or a broken connection.

use serde::Serialize;

use super::Args;
use crate::app::App;
use crate::error::Result;
use crate::output::{self, Format, Out};
use crate::process::{Input, Stream};

/// What the names of services are painted with, in turn.
const COLORS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// A line of a log.
#[derive(Debug, Serialize)]
pub struct Line {
    time: String,
    service: String,
    text: String,
}

/// How far a log was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    time: String,
    /// How many lines of that very time were heard.
    heard: usize,
}

/// What is being done with a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Nothing,
    /// What is there already, to its present end.
    Past,
    /// What comes, until the container stops.
    Follow,
}

#[derive(Debug)]
struct Log {
    id: String,
    service: String,
    position: Option<Position>,
    reading: Reading,
    /// So many lines that come next were heard before.
    skip: usize,
    /// The container started again while its last end was not heard of yet.
    again: bool,
}

/// Follows the containers through one session or several.
pub struct Reader<'a> {
    out: &'a Out,
    wanted: Vec<String>,
    names: Vec<&'a str>,
    follow: bool,
    /// What was asked of `docker logs` on the command line.
    options: Vec<String>,
    logs: Vec<Log>,
    /// Lines that wait until they can be put in order.
    past: Vec<Line>,
    ready: bool,
    sessions: usize,
    done: bool,
}

impl<'a> Reader<'a> {
    /// A reader of what the command line asks for, in a stack of these services.
    pub fn new(app: &'a App, args: &Args, known: &[&'a str]) -> Self {
        let tail = args.tail.map(|count| format!("--tail={count}"));
        Self {
            out: &app.out,
            wanted: args.services.clone(),
            names: known.to_vec(),
            follow: args.follow,
            options: tail.into_iter().chain(args.since.map(super::Since::option)).collect(),
            logs: vec![],
            past: vec![],
            ready: false,
            sessions: 0,
            done: false,
        }
    }

    /// A session begins.
    pub fn connected(&mut self) {
        if self.sessions > 0 {
            self.out.note("connected again");
        }
        self.sessions += 1;
        self.ready = false;
        for log in &mut self.logs {
            (log.reading, log.again) = (Reading::Nothing, false);
        }
    }

    /// Whether the first lines were told: from then on a broken session is worth another one.
    pub fn has_begun(&self) -> bool {
        self.ready || self.sessions > 1
    }

    /// Whether all was told, or nobody reads it any more.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether there is no container of the services that are wanted.
    pub fn found_nothing(&self) -> bool {
        self.logs.is_empty()
    }

    /// The lines, in their order.
    pub fn into_lines(self) -> Vec<Line> {
        self.past
    }

    /// A line of the host's.
    pub fn hear(&mut self, stream: Stream, line: &str, input: &mut Input) -> Result<()> {
        if stream == Stream::Err {
            self.out.doing(line);
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (subject, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "container" => {
                self.meet(subject, rest, input);
                Ok(())
            }
            "ready" => self.answer_ready(subject, input),
            "line" => self.take(subject, rest),
            "end" => self.answer_end(subject, rest == "runs", input),
            _ => Ok(()),
        }
    }

    /// A container is there, or has started.
    fn meet(&mut self, id: &str, service: &str, input: &mut Input) {
        if !self.wants(service) {
            return;
        }
        let Some(log) = self.logs.iter_mut().find(|log| log.id == id) else {
            let mut log = Log::new(id, service);
            if self.ready {
                self.out.note(&format!("{service} has a new container"));
                log.follow(input);
            }
            return self.logs.push(log);
        };
        if self.ready && log.reading == Reading::Nothing {
            self.out.note(&format!("{service} runs again"));
            log.follow(input);
        } else {
            log.again = self.ready;
        }
    }

    fn answer_ready(&mut self, now: &str, input: &mut Input) -> Result<()> {
        let first = self.sessions == 1;
        if first && (self.follow || !self.logs.is_empty()) {
            let silent = self.shown().filter(|name| self.logs.iter().all(|log| log.service != **name));
            silent.for_each(|name| self.out.note(&format!("{name} has no container yet")));
        }
        for log in &mut self.logs {
            let options = log.since().or_else(|| first.then(|| self.options.clone())).unwrap_or_default();
            log.show(Reading::Past, &options, input);
            // What was not asked for is passed over later, too.
            if first {
                log.position = Some(Position { time: now.to_owned(), heard: 0 });
            }
        }
        self.ready = true;
        self.go_on_from_past(input)
    }

    fn take(&mut self, id: &str, line: &str) -> Result<()> {
        let Some(log) = self.logs.iter_mut().find(|log| log.id == id) else { return Ok(()) };
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        if time.parse::<jiff::Timestamp>().is_err() {
            // Docker's own words, such as that the container is gone.
            self.out.doing(line);
            return Ok(());
        }
        if !log.is_new(time) {
            return Ok(());
        }
        let line = Line { time: time.to_owned(), service: log.service.clone(), text: text.to_owned() };
        if log.reading == Reading::Past {
            self.past.push(line);
            return Ok(());
        }
        self.tell(&line)
    }

    fn answer_end(&mut self, id: &str, runs: bool, input: &mut Input) -> Result<()> {
        let Some(log) = self.logs.iter_mut().find(|log| log.id == id) else { return Ok(()) };
        if std::mem::replace(&mut log.reading, Reading::Nothing) == Reading::Past {
            return self.go_on_from_past(input);
        }
        if std::mem::take(&mut log.again) || runs {
            self.out.note(&format!("{} runs again", log.service));
            log.follow(input);
        } else {
            self.out.note(&format!("{} has stopped", log.service));
        }
        Ok(())
    }

    /// Once all that was there is known, it is told in its order.
    fn go_on_from_past(&mut self, input: &mut Input) -> Result<()> {
        if self.logs.iter().any(|log| log.reading == Reading::Past) {
            return Ok(());
        }
        self.past.sort_by(|a, b| a.time.cmp(&b.time));
        if self.out.format() == Format::Text {
            for line in std::mem::take(&mut self.past) {
                self.tell(&line)?;
            }
        }
        if self.follow {
            self.logs.iter_mut().for_each(|log| log.follow(input));
        } else {
            self.done = !self.logs.is_empty();
            input.close();
        }
        Ok(())
    }

    fn tell(&mut self, line: &Line) -> Result<()> {
        let shown = match &self.wanted[..] {
            [_] => line.text.clone(),
            _ => format!("{} | {}", self.painted(&line.service), line.text),
        };
        match self.out.line(&shown) {
            Ok(()) => Ok(()),
            Err(error) => {
                // `| head` has what it wanted.
                self.done = error.kind() == std::io::ErrorKind::BrokenPipe;
                Err(output::unwritable(error))
            }
        }
    }

    fn wants(&self, service: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == service)
    }

    /// The services whose lines are told.
    fn shown(&self) -> impl Iterator<Item = &&'a str> {
        self.names.iter().filter(|name| self.wants(name))
    }

    fn painted(&self, service: &str) -> String {
        let width = self.shown().map(|name| name.len()).max().unwrap_or(0);
        let place = self.names.iter().position(|name| *name == service).unwrap_or(0);
        self.out.colored_word(&format!("{service:<width$}"), COLORS[place % COLORS.len()])
    }
}

impl Log {
    fn new(id: &str, service: &str) -> Self {
        Self {
            id: id.to_owned(),
            service: service.to_owned(),
            position: None,
            reading: Reading::Nothing,
            skip: 0,
            again: false,
        }
    }

    /// The option that leaves out what was read before: but for the lines of that very time.
    fn since(&self) -> Option<Vec<String>> {
        self.position.as_ref().map(|position| vec![format!("--since={}", position.time)])
    }

    fn follow(&mut self, input: &mut Input) {
        let mut options = self.since().unwrap_or_default();
        options.push("--follow".to_owned());
        self.show(Reading::Follow, &options, input);
    }

    fn show(&mut self, reading: Reading, options: &[String], input: &mut Input) {
        self.reading = reading;
        self.skip = self.position.as_ref().map_or(0, |position| position.heard);
        input.send(format!("show {} {}\n", self.id, options.join(" ")));
    }

    /// Whether a line of this time was not heard before; it is now.
    fn is_new(&mut self, time: &str) -> bool {
        match &mut self.position {
            Some(position) if position.time == time => {
                if self.skip > 0 {
                    self.skip -= 1;
                    return false;
                }
                position.heard += 1;
            }
            position => {
                self.skip = 0;
                *position = Some(Position { time: time.to_owned(), heard: 1 });
            }
        }
        true
    }
}
