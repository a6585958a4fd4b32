//! The session over which the host sends requests to itself: opened by the first one, shared by all of a command.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ssh::{Ssh, random_mark, sh_quote};
use crate::interrupt::Interrupt;
use crate::output::Out;
use crate::probe::Deadline;
use crate::probe::http::Relay;
use crate::probe::http::relay::{Errand, Reply};
use crate::process::{Cmd, Input, Runner, Stream};

const SCRIPT: &str = include_str!("relay.py");

/// Who waits for which answer. It is emptied when the session ends.
type Waiting = Arc<Mutex<HashMap<u64, Sender<Reply>>>>;

/// What the host reads, a line each.
#[derive(Serialize)]
struct Request<'a> {
    number: u64,
    seconds: f64,
    #[serde(flatten)]
    errand: &'a Errand,
}

/// What it writes, a line each; number 0 says that it is there.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
    #[serde(flatten)]
    reply: Reply,
}

/// The answer to come, and why none comes when the session ended.
type Asked = (Receiver<Reply>, Arc<Mutex<String>>);

/// A session that is open.
struct Session {
    input: Input,
    waiting: Waiting,
    /// Why it ended.
    ended: Arc<Mutex<String>>,
    last: u64,
}

/// How long a slow host may take to start a session, and Python in it.
const OPENING: Duration = Duration::from_secs(20);

/// A relay over this connection.
#[must_use]
pub fn over(ssh: &Ssh) -> Relay {
    let mark = random_mark();
    let without =
        "command -v python3 >/dev/null || { echo 'python3 is not installed on the host' >&2; exit 1; }";
    let mut cmd = ssh.root(&format!("{without}; exec python3 -c {} {mark}", sh_quote(SCRIPT)), &[]);
    cmd.endless = true;
    let out = Mutex::new(ssh.runner().out.silent());
    let session: Mutex<Option<Session>> = Mutex::new(None);
    Relay::new(move |errand, mut deadline| {
        let began = Instant::now();
        let asked = {
            let mut session = lock(&session);
            if !session.as_ref().is_some_and(Session::is_open) {
                let opening = Deadline::after(OPENING);
                *session = Some(Session::open(lock(&out).silent(), cmd.clone(), mark.clone(), opening)?);
            }
            // What the session took to open says nothing about who is asked.
            deadline = deadline.later(began.elapsed());
            session.as_mut().map(|open| open.send(errand, deadline))
        };
        let (coming, ended) = asked.ok_or("no session is open")??;
        match coming.recv_timeout(deadline.left().unwrap_or_default()) {
            Ok(reply) => reply.answer(),
            Err(RecvTimeoutError::Timeout) => Err(format!("no complete answer in {deadline}")),
            Err(RecvTimeoutError::Disconnected) => Err(lock(&ended).clone()),
        }
    })
}

impl Session {
    /// Starts it, and waits until the host listens.
    fn open(out: Out, cmd: Cmd, mark: String, deadline: Deadline) -> Result<Self, String> {
        let (waiting, ended) = (Waiting::default(), Arc::new(Mutex::new(String::new())));
        let (opened, listens) = channel();
        let (to, why) = (waiting.clone(), ended.clone());
        thread::spawn(move || {
            let interrupt = Interrupt::default();
            let talked = Runner { out: &out, interrupt: &interrupt }.talk(&cmd, |stream, line, input| {
                let said = line.strip_prefix(&mark).filter(|_| stream == Stream::Out);
                let Some(Numbered { number, reply }) = said.and_then(|said| serde_json::from_str(said).ok())
                else {
                    return Ok(());
                };
                if number == 0 {
                    let _ = opened.send(input.clone());
                    // The session lives as long as who asks.
                    input.close();
                } else if let Some(asker) = lock(&to).remove(&number) {
                    let _ = asker.send(reply);
                }
                Ok(())
            });
            let complaint = talked.map_or_else(|error| error.to_string(), |ran| ran.complaint());
            *lock(&why) = format!("the SSH session ended: {}", complaint.trim());
            drop(opened);
            lock(&to).clear();
        });
        match listens.recv_timeout(deadline.left().unwrap_or_default()) {
            Ok(input) => Ok(Self { input, waiting, ended, last: 0 }),
            Err(RecvTimeoutError::Timeout) => Err(format!("the host started no session in {deadline}")),
            Err(RecvTimeoutError::Disconnected) => Err(lock(&ended).clone()),
        }
    }

    fn is_open(&self) -> bool {
        lock(&self.ended).is_empty()
    }

    /// Sends an errand; the answer comes over the channel.
    fn send(&mut self, errand: &Errand, deadline: Deadline) -> Result<Asked, String> {
        self.last += 1;
        let seconds = deadline.left().unwrap_or(Duration::from_millis(1)).as_secs_f64();
        let request = Request { number: self.last, seconds, errand };
        let mut line = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let (sender, coming) = channel();
        lock(&self.waiting).insert(self.last, sender);
        self.input.send(line);
        // It may have ended after the waiting ones were told.
        if !self.is_open() {
            lock(&self.waiting).clear();
        }
        Ok((coming, self.ended.clone()))
    }
}

/// Whoever broke off while holding it left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::output::{Format, Style};

    fn out() -> Out {
        Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false })
    }

    fn open(script: &str) -> Result<Session, String> {
        let mut cmd = Cmd::new("bash", ["-c", script, "bash", SCRIPT, "the-mark"]);
        cmd.endless = true;
        Session::open(out(), cmd, "the-mark".into(), Deadline::after(Duration::from_secs(5)))
    }

    fn ask(session: &mut Session, errand: &Errand) -> Result<String, String> {
        let (coming, ended) = session.send(errand, Deadline::after(Duration::from_secs(2)))?;
        let reply = coming.recv_timeout(Duration::from_secs(5)).map_err(|_| lock(&ended).clone())?;
        reply.answer().map(|answer| answer.brief())
    }

    /// A server for one request; it gives back what it was sent.
    fn serve(body: Vec<u8>) -> (u16, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&body);
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        (port, server)
    }

    fn errand(port: u16) -> Errand {
        Errand {
            domain: None,
            address: "127.0.0.1",
            port,
            method: "POST".into(),
            path: "/api/v1/key/600?token=a%20b".into(),
            headers: vec![("Authorization".into(), "Bearer s3cret".into())],
        }
    }

    #[test]
    fn the_host_sends_what_it_is_given_through_all_noise() {
        let noise = "echo welcome; echo the-mark; printf 'no newline'; exec python3 -c \"$1\" \"$2\"";
        let mut session = open(noise).unwrap();
        let (port, server) = serve(b"\xc3\xa4\"\n".to_vec());
        assert_eq!(ask(&mut session, &errand(port)).unwrap(), "HTTP 200, \"\u{e4}\"\"");
        let head = server.join().unwrap();
        assert!(head.starts_with("POST /api/v1/key/600?token=a%20b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Authorization: Bearer s3cret\r\n"), "{head}");
        let refused = ask(&mut session, &errand(port)).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
        let (port, _) = serve(vec![b'x'; 3 << 20]);
        assert_eq!(ask(&mut session, &errand(port)).unwrap_err(), "a body of more than 1048576 bytes");
    }

    #[test]
    fn a_session_that_ends_says_why() {
        let Err(why) = open("echo 'no python here' >&2; exit 1") else { panic!("it opened") };
        assert_eq!(why, "the SSH session ended: no python here");
        let mut session = open("echo 'the-mark {\"number\": 0}'; read -r line; echo gone >&2").unwrap();
        assert_eq!(ask(&mut session, &errand(1)).unwrap_err(), "the SSH session ended: gone");
        assert!(!session.is_open());
    }
}
