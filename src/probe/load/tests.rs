use std::net::UdpSocket;
use std::thread;

use super::*;
use crate::probe::http::HttpTracker;

fn plan(rate: u32, total: u32) -> Plan {
    Plan { rate, total, patience: Duration::from_millis(600) }
}

/// Answers connect requests, then this many announces after a pause before the first one.
fn udp_tracker(pause: Duration, announces: usize) -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 256];
        let mut answered = 0;
        loop {
            let (length, from) = socket.recv_from(&mut packet).unwrap();
            let transaction = &packet[12..16];
            if length == 16 {
                socket.send_to(&[&[0; 4], transaction, &[7; 8]].concat(), from).unwrap();
            } else if answered < announces {
                if answered == 0 {
                    thread::sleep(pause);
                }
                answered += 1;
                socket.send_to(&[&[0, 0, 0, 1], transaction, &[0; 12]].concat(), from).unwrap();
            }
        }
    });
    address
}

#[test]
fn announces_are_due_by_the_clock() {
    let plan = Plan { rate: 200, total: 1000, patience: Duration::from_secs(2) };
    assert_eq!(plan.due(0), Duration::ZERO);
    assert_eq!(plan.due(100), Duration::from_millis(500));
    assert_eq!(plan.end(), Duration::from_secs(7));
}

#[test]
fn a_pause_of_the_tracker_shows_in_all_that_were_due_meanwhile() {
    let address = udp_tracker(Duration::from_millis(400), 100);
    let measured = udp(address, None, plan(200, 100), &Crowd::new(20), &|| false).unwrap();
    let figures = Figures::from(&measured);
    assert_eq!((figures.sent, figures.answered, figures.errors.len()), (100, 100, 0), "{figures}");
    // 80 of 100 were due during the pause; a closed loop would have seen one slow announce.
    assert!(figures.p50_ms > 100.0 && figures.max_ms >= 390.0, "{figures}");
    assert!(figures.per_second > 100.0 && figures.per_second < 230.0, "{figures}");
}

#[test]
fn what_is_not_answered_is_an_error_of_a_kind() {
    let address = udp_tracker(Duration::ZERO, 30);
    let measured = udp(address, None, plan(1000, 50), &Crowd::new(10), &|| false).unwrap();
    let figures = Figures::from(&measured);
    assert_eq!((figures.sent, figures.answered), (50, 30));
    assert_eq!(figures.errors, [("no answer in time".to_owned(), 20)].into());
    assert_eq!(measured.unanswered().len(), 20);
}

#[test]
fn it_stops_when_told_and_what_was_not_sent_is_no_error() {
    let address = udp_tracker(Duration::ZERO, 1000);
    let began = Instant::now();
    let stopped = || began.elapsed() > Duration::from_millis(200);
    let figures = Figures::from(&udp(address, None, plan(100, 1000), &Crowd::new(10), &stopped).unwrap());
    assert!(figures.sent < 60 && began.elapsed() < Duration::from_secs(3), "{figures}");
}

#[test]
fn http_that_is_down_is_told_once_with_its_count() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tracker = HttpTracker::new(format!("http://{closed}/announce"));
    let figures = Figures::from(&http(&tracker, plan(500, 100), &Crowd::new(10), &|| false));
    assert_eq!((figures.sent, figures.answered, figures.errors.len()), (100, 0, 1), "{figures}");
    assert_eq!(figures.errors.values().sum::<usize>(), 100);
}

#[test]
fn a_crowd_is_made_of_peers_that_a_tracker_tells_apart() {
    let crowd = Crowd::new(25);
    let torrents: Vec<_> = crowd.0.chunks(10).map(|chunk| chunk[0].info_hash).collect();
    assert_eq!((crowd.size(), torrents.len()), (25, 3));
    assert!(crowd.0[..10].iter().all(|peer| peer.info_hash == torrents[0]));
    assert_ne!(crowd.0[0].port, crowd.0[1].port);
    let leaving = crowd.leaving(7).only(&[1, 6, 9]);
    assert_eq!(leaving.size(), 2);
    assert!(leaving.0.iter().all(|peer| peer.event == Event::Stopped));
}

/// A tracker that takes its connection ids back: how many announces came with one that it no longer knows.
fn forgetful_tracker(
    life: Duration,
) -> (std::net::SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let wrong = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = wrong.clone();
    thread::spawn(move || {
        let (mut packet, began) = ([0; 256], Instant::now());
        let now = || u64::try_from(began.elapsed().as_micros()).unwrap();
        loop {
            let (length, from) = socket.recv_from(&mut packet).unwrap();
            let transaction = packet[12..16].to_vec();
            if length == 16 {
                // Its id is the moment when it was given.
                socket.send_to(&[&[0; 4], &transaction[..], &now().to_be_bytes()].concat(), from).unwrap();
                continue;
            }
            let given = u64::from_be_bytes(packet[..8].try_into().unwrap());
            if now() - given > u64::try_from(life.as_micros()).unwrap() {
                seen.fetch_add(1, Ordering::Relaxed);
            } else {
                socket.send_to(&[&[0, 0, 0, 1], &transaction[..], &[0; 12]].concat(), from).unwrap();
            }
        }
    });
    (address, wrong)
}

#[test]
fn connection_ids_of_a_short_life_are_renewed_in_time() {
    let life = Duration::from_millis(800);
    let (address, wrong) = forgetful_tracker(life);
    let measured = udp(address, Some(life), plan(100, 300), &Crowd::new(20), &|| false).unwrap();
    let figures = Figures::from(&measured);
    assert_eq!((figures.sent, figures.answered), (300, 300), "{figures}");
    assert_eq!(wrong.load(std::sync::atomic::Ordering::Relaxed), 0, "no wrong id was sent");
}
