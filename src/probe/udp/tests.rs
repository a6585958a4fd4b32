use std::thread;

use super::*;
use crate::probe::fakes;
use crate::probe::swarm::Visit;

const ID: [u8; 8] = [7; 8];

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

/// A packet of `action` that answers `request`.
fn answer(action: u32, request: &[u8], body: &[u8]) -> Vec<u8> {
    [&action.to_be_bytes()[..], &request[12..16], body].concat()
}

/// A well-behaved answer, with `peers` in answers to announces.
fn proper(request: &[u8], peers: &[u8]) -> Vec<u8> {
    match request[11] {
        0 => answer(CONNECT, request, &ID),
        1 => answer(ANNOUNCE, request, &[&[0, 0, 0, 120, 0, 0, 0, 2, 0, 0, 0, 3], peers].concat()),
        _ => answer(SCRAPE, request, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3].repeat((request.len() - 16) / 20)),
    }
}

/// What a client sees of a server that makes `bad` of the connect request.
fn seen_at_connect(
    length: Duration,
    bad: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> Result<(), String> {
    let (address, _) = fakes::udp("127.0.0.1:0", 9, bad);
    let connected = Client::connect(address, Deadline::after(length));
    connected.map(drop).map_err(|fault| {
        assert_eq!(fault.expected, format!("an answer to the connect request from udp://{address}"));
        fault.seen
    })
}

fn seen_at_announce(body: &'static [u8], action: u32) -> String {
    let (address, _) = fakes::udp("127.0.0.1:0", 2, move |number, request| {
        vec![if number == 0 { proper(request, &[]) } else { answer(action, request, body) }]
    });
    let client = Client::connect(address, soon()).unwrap();
    client.announce(&Announce::seeder(InfoHash::random(), 1), soon()).unwrap_err().seen
}

#[test]
fn requests_have_the_form_of_bep_15() {
    let (address, server) = fakes::udp("127.0.0.1:0", 3, |_, request| vec![proper(request, &[])]);
    let client = Client::connect(address, soon()).unwrap();
    let peer = Announce {
        peer_id: [b'p'; 20],
        port: 0x1ae1,
        left: 5,
        uploaded: 6,
        downloaded: 4,
        numwant: -1,
        key: 0x0102_0304,
        ..Announce::seeder(InfoHash([b'h'; 20]), 0)
    };
    client.announce(&peer, soon()).unwrap();
    client.scrape(&[InfoHash([b'a'; 20]), InfoHash([b'b'; 20])], soon()).unwrap();

    let requests = server.join().unwrap();
    assert_eq!(requests[0][..12], *b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00");
    assert_eq!(requests[0].len(), 16);
    assert_eq!(requests[1].len(), 98);
    assert_eq!(requests[1][..12], [&ID[..], &[0, 0, 0, 1]].concat());
    assert_eq!(requests[1][16..36], [b'h'; 20]);
    assert_eq!(requests[1][36..56], [b'p'; 20]);
    assert_eq!(requests[1][56..80], [&[0; 7][..], &[4], &[0; 7], &[5], &[0; 7], &[6]].concat());
    assert_eq!(requests[1][80..], *b"\0\0\0\x02\0\0\0\0\x01\x02\x03\x04\xff\xff\xff\xff\x1a\xe1");
    assert_eq!(requests[2][16..], [[b'a'; 20], [b'b'; 20]].concat());
    assert_ne!(requests[0][12..16], requests[1][12..16], "each request has its own transaction id");
}

#[test]
fn ipv4_peers_have_6_bytes_and_ipv6_peers_18() {
    for (local, bytes, peer) in [
        ("127.0.0.1:0", &b"\xc0\x00\x02\x01\x1a\xe1"[..], "192.0.2.1:6881"),
        ("[::1]:0", &b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"[..], "[2001:db8::1]:6881"),
    ] {
        let (address, _) = fakes::udp(local, 2, move |_, request| vec![proper(request, bytes)]);
        let client = Client::connect(address, soon()).unwrap();
        let announced = client.announce(&Announce::seeder(InfoHash::random(), 1), soon()).unwrap();
        let peers = vec![peer.parse().unwrap()];
        assert_eq!(announced, Announced { interval: Duration::from_mins(2), leechers: 2, seeders: 3, peers });
    }
}

#[test]
fn a_scrape_of_many_torrents_takes_several_packets() {
    let (address, server) = fakes::udp("127.0.0.1:0", 3, |_, request| vec![proper(request, &[])]);
    let client = Client::connect(address, soon()).unwrap();
    let figures = client.scrape(&[InfoHash([1; 20]); 75], soon()).unwrap();
    assert_eq!(figures, [Scraped { seeders: 1, completed: 2, leechers: 3 }; 75]);
    let lengths: Vec<_> = server.join().unwrap().iter().map(Vec::len).collect();
    assert_eq!(lengths, [16, 16 + 74 * 20, 36]);
}

#[test]
fn a_lost_packet_is_sent_again_unchanged() {
    let (address, server) = fakes::udp("127.0.0.1:0", 2, |number, request| match number {
        0 => vec![],
        _ => vec![proper(request, &[])],
    });
    Client::connect(address, Deadline::after(Duration::from_secs(1))).unwrap();
    let requests = server.join().unwrap();
    assert_eq!(requests[0], requests[1]);
}

#[test]
fn silence_is_told_with_its_length_and_packets() {
    let seen = seen_at_connect(Duration::from_millis(500), |_, _| vec![]);
    assert_eq!(seen, Err("no answer in 0.5 s (sent 3 packets)".into()));
}

#[test]
fn a_passed_deadline_sends_nothing() {
    let seen = seen_at_connect(Duration::ZERO, |_, _| vec![]);
    assert_eq!(seen, Err("no answer in 0.0 s (sent 0 packets)".into()));
}

#[test]
fn a_closed_port_is_refused_at_once() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = Instant::now();
    let fault = Client::connect(address, soon()).err().unwrap();
    assert_eq!(fault.seen, "connection refused (ICMP port unreachable)");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn stray_packets_are_ignored_and_told_of() {
    let wrong_id = |request: &[u8]| [&[0, 0, 0, 0], &[!request[12], 0, 0, 0], &ID[..]].concat();
    let error = |request: &[u8]| [&[0, 0, 0, 3], &[!request[12], 0, 0, 0], &b"no"[..]].concat();
    let brief = Duration::from_millis(200);

    let seen = seen_at_connect(brief, move |_, request| vec![wrong_id(request)]).unwrap_err();
    assert!(seen.ends_with("; ignored an answer with a wrong transaction id)"), "{seen}");
    let seen = seen_at_connect(brief, move |_, request| vec![error(request)]).unwrap_err();
    assert!(seen.ends_with("; ignored the error \"no\" with a wrong transaction id)"), "{seen}");
    let seen = seen_at_connect(brief, |_, _| vec![vec![0; 7]]).unwrap_err();
    assert!(seen.ends_with("; ignored a packet of 7 bytes, too short for an answer)"), "{seen}");

    let good_in_the_end = move |_, request: &[u8]| vec![wrong_id(request), vec![], proper(request, &[])];
    assert_eq!(seen_at_connect(brief, good_in_the_end), Ok(()));
}

#[test]
fn an_answer_from_another_address_is_ignored() {
    let seen = seen_at_connect(Duration::from_millis(200), |_, _| vec![]);
    assert!(seen.is_err());

    let tracker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = tracker.local_addr().unwrap();
    thread::spawn(move || {
        let mut request = [0; 16];
        let (_, client) = tracker.recv_from(&mut request).unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.send_to(&proper(&request, &[]), client).unwrap();
        thread::sleep(Duration::from_secs(1));
    });
    let fault = Client::connect(address, Deadline::after(Duration::from_millis(300))).err().unwrap();
    assert_eq!(fault.seen, "no answer in 0.3 s (sent 3 packets)");
}

#[test]
fn bad_answers_are_named() {
    assert_eq!(
        seen_at_announce(b"torrent is not listed", ERROR),
        "answered the error \"torrent is not listed\""
    );
    assert_eq!(seen_at_announce(&[0; 11], ANNOUNCE), "answered with a packet of 19 bytes, the wrong size");
    assert_eq!(seen_at_announce(&[0; 17], ANNOUNCE), "answered with compact peers of a wrong size");
    assert_eq!(seen_at_announce(&[0; 12], SCRAPE), "answered with action 2, not 1");
    let seen = seen_at_connect(Duration::from_secs(1), |_, request| vec![answer(CONNECT, request, &[1; 7])]);
    assert_eq!(seen, Err("answered with a packet of 15 bytes, the wrong size".into()));
}

#[test]
fn ipv4_peers_in_the_ipv6_form_are_no_peers() {
    const MAPPED: &[u8] = b"............\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x1a\xe1";
    let seen = seen_at_announce(MAPPED, ANNOUNCE);
    assert!(seen.starts_with("answered with IPv4 peers in the IPv6 form (::ffff:…)"), "{seen}");
}

#[test]
fn a_visit_ends_with_stopped() {
    let event = |request: &Vec<u8>| request[83];
    for explicit in [true, false] {
        let (address, server) = fakes::udp("127.0.0.1:0", 3, |_, request| vec![proper(request, &[])]);
        let client = Client::connect(address, soon()).unwrap();
        let peer = Announce::seeder(InfoHash::random(), 1);
        let (visit, answer) = Visit::start(&client, peer, soon()).unwrap();
        assert_eq!(answer.seeders, 3);
        if explicit {
            visit.stop(soon()).unwrap();
        } else {
            drop(visit);
        }
        assert_eq!(server.join().unwrap()[1..].iter().map(event).collect::<Vec<_>>(), [2, 3]);
    }
}
