//! A program with our own streams, at the terminal where there is one: a shell for the user.

use std::process::{Child, ExitStatus};
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};

use super::{Cmd, Runner, TICK, exit_code};
use crate::error::{Code, Error, Result};

impl Runner<'_> {
    /// Runs to the end with our own standard input, output and error; gives the exit code. Its arguments are said to
    /// nobody: they may be the user's own words.
    ///
    /// # Errors
    /// The program is missing.
    pub fn attach(self, cmd: &Cmd) -> Result<i32> {
        self.out.program_started(&cmd.program);
        let child = cmd.in_our_group().spawn().map_err(|error| cmd.not_started(&error))?;
        let status = self.accompany(child)?;
        self.out.program_ended(&cmd.program, exit_code(status));
        Ok(exit_code(status))
    }

    /// Waits for the end. A signal is passed on: the terminal's Ctrl-C reaches both of us, any other one us alone.
    fn accompany(self, mut child: Child) -> Result<ExitStatus> {
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (sender, ended) = channel();
        std::thread::spawn(move || sender.send(child.wait()));
        loop {
            if let Ok(status) = ended.recv_timeout(TICK) {
                return status.map_err(|error| {
                    Error::new(Code::Internal, "nobody knows how the program ended").why(error)
                });
            }
            if let (true, Some(process)) = (self.interrupt.came(), process) {
                let _ = kill_process(process, Signal::INT);
            }
        }
    }
}
