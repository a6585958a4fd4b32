//! The host's looks, as they come: a thread holds the connection, and opens it again when it broke.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::facts::{self, Facts};
use super::super::question::Question;
use crate::error::{Code, Error, Result};
use crate::interrupt::Interrupt;
use crate::output::Out;
use crate::process::{Input, Runner, Stream};
use crate::tools::ssh::{Ssh, Target};

/// Between two tries to reach the host.
const AGAIN: Duration = Duration::from_secs(2);

/// What comes from the host.
pub enum News {
    /// A look.
    Look(Box<Facts>),
    /// The host can be asked for something.
    Listens(Input),
    /// The connection broke, or could not be opened.
    Lost(Error),
}

/// The stream of looks; it ends with this value.
pub struct Feed {
    /// What came.
    pub news: Receiver<News>,
    stop: Interrupt,
    thread: Option<JoinHandle<()>>,
    input: RefCell<Option<Input>>,
}

impl Feed {
    /// Begins to ask.
    #[must_use]
    pub fn start(out: &Out, target: Target, question: Question, script: String) -> Self {
        let (sender, news) = channel();
        let (stop, out) = (Interrupt::default(), out.silent());
        let interrupt = stop.clone();
        let thread = std::thread::spawn(move || {
            let runner = Runner { out: &out, interrupt: &interrupt };
            while let Err(error) = follow(runner, &target, &question, &script, &sender) {
                if sender.send(News::Lost(error)).is_err() || runner.pause(AGAIN).is_err() {
                    break;
                }
            }
        });
        Self { news, stop, thread: Some(thread), input: RefCell::new(None) }
    }

    /// From now on this is where the host listens.
    pub fn listens(&self, input: Input) {
        self.input.replace(Some(input));
    }

    /// Has the log of this container sent from now on.
    pub fn want_log(&self, container: &str) {
        self.say(&format!("log {container}\n"));
    }

    /// Wants a whole look at once.
    pub fn refresh(&self) {
        self.say("refresh\n");
    }

    fn say(&self, line: &str) {
        if let Some(input) = &*self.input.borrow() {
            input.send(line);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.end();
        // It closes the connection.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Follows one connection to its end, which is always an error.
fn follow(
    runner: Runner,
    target: &Target,
    question: &Question,
    script: &str,
    news: &Sender<News>,
) -> Result<()> {
    let gone = |_| Error::new(Code::Internal, "nobody listens any more");
    let ssh = Ssh::connect(runner, target.clone())?;
    let mut listens = false;
    let ran = runner.talk(&question.session(&ssh, script)?, |stream, line, input| {
        if stream == Stream::Err {
            return Ok(());
        }
        if !std::mem::replace(&mut listens, true) {
            news.send(News::Listens(input.clone())).map_err(gone)?;
        }
        news.send(News::Look(Box::new(facts::parse(line)?))).map_err(gone)
    })?;
    let ran = ssh.judge(ran)?;
    Err(Error::new(Code::SshLost, "the host ended the session").why(ran.complaint()))
}
