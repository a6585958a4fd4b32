//! Which UDP ports answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, connect, recv, send};

use super::{open, ready, window};
use crate::probe::udp::connect_request;

/// What came of asking UDP ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// Those that answered something.
    pub answered: Vec<u16>,
    /// How many the host said are closed (ICMP port unreachable). Hosts say so for a few ports a second only.
    pub closed: usize,
    /// How many were silent: closed, filtered, or held by someone who does not answer this question.
    pub silent: usize,
}

/// How long an answer may take, and when the question is put once more.
const PATIENCE: Duration = Duration::from_millis(1600);
const AGAIN: Duration = Duration::from_millis(800);

/// Asks these UDP ports what a `BitTorrent` client asks a tracker, once more after a while. Not for more ports than this
/// process may have sockets.
///
/// # Errors
/// This machine cannot ask: no route, no sockets.
pub fn udp(host: IpAddr, ports: &[u16], stopped: &dyn Fn() -> bool) -> io::Result<Udp> {
    let mut seen = Udp::default();
    let mut asked = vec![];
    window();
    for &port in ports {
        let socket = open(SocketAddr::new(host, port), SocketType::DGRAM)?;
        connect(&socket, &SocketAddr::new(host, port))?;
        asked.push((port, socket));
    }
    let (began, mut rounds) = (Instant::now(), 0);
    while !asked.is_empty() && began.elapsed() < PATIENCE && !stopped() {
        if AGAIN * rounds <= began.elapsed() && rounds < 2 {
            rounds += 1;
            for (_, socket) in &asked {
                // What this says may be about an earlier packet; `hear` reads it, too.
                let _ = send(socket, &connect_request(), SendFlags::empty());
            }
        }
        seen.hear(&mut asked)?;
    }
    seen.silent = asked.len();
    seen.answered.sort_unstable();
    Ok(seen)
}

impl Udp {
    fn hear(&mut self, asked: &mut Vec<(u16, OwnedFd)>) -> io::Result<()> {
        let ready = ready(asked.iter().map(|(_, socket)| socket), PollFlags::IN)?;
        let mut ready = ready.into_iter();
        asked.retain(|(port, socket)| {
            if !ready.next().unwrap_or_default() {
                return true;
            }
            match recv(socket, &mut [0_u8; 64], RecvFlags::empty()) {
                Ok(_) => self.answered.push(*port),
                Err(Errno::AGAIN) => return true,
                Err(_) => self.closed += 1,
            }
            false
        });
        Ok(())
    }
}
