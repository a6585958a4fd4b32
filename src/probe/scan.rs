//! Which ports of a host answer, found by asking all of them: many questions at once, at a bounded pace.
//!
//! TCP tells three things apart: accepted, refused, silence. UDP tells less: who listens need not answer what they do not
//! understand, so that silence is either a listener or a filter.

mod udp;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use rustix::process::{Resource, getrlimit, setrlimit};

pub use udp::{Udp, udp};

/// What came of asking TCP ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Those that accept connections.
    pub open: Vec<u16>,
    /// How many answered that nobody listens, or that one may not.
    pub refused: usize,
    /// How many did not answer at all.
    pub silent: usize,
}

/// Asked so many a second at most: a slow line or a careful router in between must not lose what is asked.
const PACE: u32 = 6000;
/// The kernel repeats a question after a second: with this, one lost packet makes no port silent.
const PATIENCE: Duration = Duration::from_millis(1600);
/// Questions under way at once.
const WINDOW: u64 = 4096;
/// Files that the rest of the program may have open meanwhile.
const SPARE: u64 = 256;
/// How often the clock is looked at.
const ROUND: Duration = Duration::from_millis(10);

/// A connection that was asked for.
struct Asked {
    port: u16,
    since: Instant,
    socket: OwnedFd,
}

/// Asks these TCP ports for a connection, and closes at once those that it gets. `stopped` is asked time and again;
/// then nothing was found out.
///
/// # Errors
/// This machine cannot ask: no route, no sockets.
pub fn tcp(host: IpAddr, ports: &[u16], stopped: &dyn Fn() -> bool) -> io::Result<Tcp> {
    let (since, window) = (Instant::now(), window());
    let (mut seen, mut asked) = (Tcp::default(), VecDeque::with_capacity(window));
    let mut left = ports.iter().copied();
    let (mut begun, mut more) = (0_u32, true);
    while (more || !asked.is_empty()) && !stopped() {
        let due = allowed(since.elapsed());
        while more && begun < due && asked.len() < window {
            let Some(port) = left.next() else {
                more = false;
                break;
            };
            begun += 1;
            match begin(SocketAddr::new(host, port)) {
                Ok(socket) => asked.push_back(Asked { port, since: Instant::now(), socket }),
                Err(errno) => seen.judge(port, Err(errno))?,
            }
        }
        seen.hear(&mut asked)?;
    }
    seen.open.sort_unstable();
    Ok(seen)
}

/// How many questions may have been asked after this time.
fn allowed(elapsed: Duration) -> u32 {
    let allowed = elapsed.as_millis() * u128::from(PACE) / 1000;
    u32::try_from(allowed).unwrap_or(u32::MAX)
}

/// How many sockets this process may have for this, once it has asked for more than is usual.
fn window() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let (wanted, most) = (2 * WINDOW + SPARE, limit.maximum.unwrap_or(u64::MAX));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted.min(most));
        // With fewer it takes longer.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Both families are asked side by side.
    let each = (current.saturating_sub(SPARE) / 2).clamp(64, WINDOW);
    usize::try_from(each).unwrap_or(64)
}

fn begin(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = open(address, SocketType::STREAM)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// A socket for this address that nobody waits for.
fn open(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

/// Which of these sockets have news, within a round.
fn ready<'s>(sockets: impl Iterator<Item = &'s OwnedFd>, wanted: PollFlags) -> io::Result<Vec<bool>> {
    let round = Timespec { tv_sec: 0, tv_nsec: ROUND.as_nanos().try_into().unwrap_or_default() };
    let mut polled: Vec<_> = sockets.map(|socket| PollFd::new(socket, wanted)).collect();
    match poll(&mut polled, Some(&round)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(polled.iter().map(|socket| !socket.revents().is_empty()).collect())
}

impl Tcp {
    /// Takes the answers that have come, and what has waited long enough.
    fn hear(&mut self, asked: &mut VecDeque<Asked>) -> io::Result<()> {
        let ready = ready(asked.iter().map(|asked| &asked.socket), PollFlags::OUT)?;
        let now = Instant::now();
        let mut waiting = VecDeque::with_capacity(asked.len());
        for (one, ready) in asked.drain(..).zip(ready) {
            if ready {
                self.judge(one.port, sockopt::socket_error(&one.socket)?)?;
            } else if now.duration_since(one.since) > PATIENCE {
                self.silent += 1;
            } else {
                waiting.push_back(one);
            }
        }
        *asked = waiting;
        Ok(())
    }

    fn judge(&mut self, port: u16, answer: Result<(), Errno>) -> io::Result<()> {
        match answer {
            Ok(()) => self.open.push(port),
            Err(Errno::CONNREFUSED | Errno::CONNRESET | Errno::HOSTUNREACH | Errno::ACCESS | Errno::PERM) => {
                self.refused += 1;
            }
            Err(Errno::TIMEDOUT) => self.silent += 1,
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn an_open_port_is_told_from_a_closed_one() {
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let open = listener.local_addr().unwrap().port();
        let closed = TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
        let seen = tcp(HERE, &[open, closed], &|| false).unwrap();
        assert_eq!(seen, Tcp { open: vec![open], refused: 1, silent: 0 });
    }

    #[test]
    fn all_ports_take_a_bounded_time() {
        let began = Instant::now();
        let all: Vec<u16> = (1..=u16::MAX).collect();
        let seen = tcp(IpAddr::V4(Ipv4Addr::new(127, 77, 1, 9)), &all, &|| false).unwrap();
        assert_eq!(seen.open.len() + seen.refused + seen.silent, all.len());
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    }

    #[test]
    fn the_pace_holds_and_ctrl_c_ends_it() {
        assert_eq!(allowed(Duration::from_millis(500)), PACE / 2);
        let all: Vec<u16> = (1..=u16::MAX).collect();
        assert_eq!(tcp(HERE, &all, &|| true).unwrap(), Tcp::default());
    }

    #[test]
    fn udp_tells_an_answer_from_a_closed_port_and_from_silence() {
        let [talker, mute] = [(); 2].map(|()| UdpSocket::bind((HERE, 0)).unwrap());
        let closed = UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
        let [open, silent] = [&talker, &mute].map(|socket| socket.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            let (length, asker) = talker.recv_from(&mut buffer).unwrap();
            talker.send_to(&buffer[..length], asker).unwrap();
        });
        let seen = udp(HERE, &[open, closed, silent], &|| false).unwrap();
        assert_eq!(seen, Udp { answered: vec![open], closed: 1, silent: 1 });
        drop(mute);
    }
}
