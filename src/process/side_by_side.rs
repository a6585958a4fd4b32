//! Programs side by side, a few at once.

use std::process::{Child, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use rustix::process::Signal;

use super::{Cmd, DRAIN, Lines, Ran, Runner, Stream, TICK, exit_code, signal_group, spawn};
use crate::error::Result;

/// What is heard of a program among several.
pub enum Event {
    /// It has begun.
    Began,
    /// It wrote a line.
    Said(Stream, String),
    /// It has come to its end, or could not be started.
    Ended(Result<Ran>),
}

/// One that runs.
struct Running {
    place: usize,
    child: Child,
    lines: Lines,
    ran: Ran,
    exited: Option<(ExitStatus, Instant)>,
}

impl Runner<'_> {
    /// Runs all in their order, at most `at_once` at a time, to their ends; `hear` gets the place of the one that it is
    /// about. Each Ctrl-C is passed on to all that run; after the first one no other begins. None is killed: they are
    /// expected to know how to end.
    pub fn side_by_side(self, cmds: &[Cmd], at_once: usize, mut hear: impl FnMut(usize, Event)) {
        let mut waiting = cmds.iter().enumerate();
        let mut running: Vec<Running> = vec![];
        loop {
            while running.len() < at_once && !self.interrupt.wanted() {
                let Some((place, cmd)) = waiting.next() else { break };
                self.out.program_started(&cmd.shown());
                hear(place, Event::Began);
                match Running::start(place, cmd) {
                    Ok(one) => running.push(one),
                    Err(error) => hear(place, Event::Ended(Err(error))),
                }
            }
            if running.is_empty() {
                return;
            }
            if self.interrupt.came() {
                for one in &running {
                    signal_group(&one.child, Signal::INT);
                }
            }
            running.retain_mut(|one| !one.has_ended(&mut hear));
            self.out.tick();
            std::thread::sleep(TICK);
        }
    }
}

impl Running {
    fn start(place: usize, cmd: &Cmd) -> Result<Self> {
        let (mut child, lines) = spawn(cmd, std::process::Stdio::piped())?;
        // Nothing is said to it.
        drop(child.stdin.take());
        Ok(Self { place, child, lines, ran: Ran::default(), exited: None })
    }

    /// Passes on what it said since the last look, and its end.
    fn has_ended(&mut self, hear: &mut impl FnMut(usize, Event)) -> bool {
        // Asked before the lines are read: what was written up to the end is then read for sure.
        if self.exited.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.exited = Some((status, Instant::now()));
            self.lines.ended.store(true, Ordering::Release);
        }
        let closed = loop {
            match self.lines.coming.try_recv() {
                Ok((stream, line)) => {
                    self.ran.keep(stream, &line);
                    hear(self.place, Event::Said(stream, line));
                }
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        let Some((status, since)) = self.exited else { return false };
        if !closed && since.elapsed() <= DRAIN {
            return false;
        }
        self.ran.code = exit_code(status);
        hear(self.place, Event::Ended(Ok(std::mem::take(&mut self.ran))));
        true
    }
}
