use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::*;
use crate::probe::fakes;
use crate::probe::swarm::{Announce, Announced, InfoHash, Scraped, Tracker, Visit};
use crate::probe::tls::Trust;

type Fake = (SocketAddr, JoinHandle<String>);

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

fn base((address, _): &Fake) -> Url {
    format!("http://{address}").into()
}

fn tracker(fake: &Fake) -> HttpTracker {
    HttpTracker::new(base(fake).join("/announce"))
}

fn announce(fake: &Fake) -> Result<Announced, String> {
    let peer = Announce::seeder(InfoHash::random(), 6881);
    tracker(fake).announce(&peer, soon()).map_err(|fault| fault.seen)
}

fn announce_page(status: &'static str, body: impl Into<Vec<u8>>) -> Result<Announced, String> {
    announce(&fakes::page(status, body))
}

#[test]
fn a_redirect_is_an_answer() {
    let fake = fakes::http(|stream| {
        let head =
            b"HTTP/1.1 308 Permanent Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(head).unwrap();
    });
    let answer = get(&base(&fake), &Login::Nobody, soon()).unwrap();
    assert_eq!((answer.status, answer.brief().as_str()), (308, "HTTP 308, no body"));
}

#[test]
fn a_closed_port_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fault = get(&format!("http://{address}/x?token=secret").into(), &Login::Nobody, soon()).unwrap_err();
    assert_eq!(fault.expected, format!("an HTTP answer from http://{address}/x"));
    assert_eq!(fault.seen, "connection refused (nothing listens on the port)");
}

#[test]
fn a_huge_body_is_not_read_to_its_end() {
    let fake = fakes::page("200 OK", vec![b' '; 3 << 20]);
    let fault = get(&base(&fake), &Login::Nobody, soon()).unwrap_err();
    assert_eq!(fault.seen, "answered HTTP 200, then a body of more than 1048576 bytes");
}

#[test]
fn a_slow_server_is_given_up_at_the_deadline() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nd"] {
        let fake = fakes::http(move |stream| {
            stream.write_all(head.as_bytes()).unwrap();
            thread::sleep(Duration::from_secs(2));
        });
        let started = Instant::now();
        let fault =
            get(&base(&fake), &Login::Nobody, Deadline::after(Duration::from_millis(300))).unwrap_err();
        assert!(fault.seen.ends_with("no complete answer in 0.3 s"), "{fault}");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_server_that_hangs_up_is_told_of() {
    let fault = get(&base(&fakes::http(|_| {})), &Login::Nobody, soon()).unwrap_err();
    assert_eq!(fault.seen, "connection closed before the answer was complete");
    let fake = fakes::http(|stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").unwrap());
    let fault = get(&base(&fake), &Login::Nobody, soon()).unwrap_err();
    assert!(fault.seen.starts_with("an answer that is not HTTP"), "{fault}");
}

#[test]
fn health_is_200_and_ok() {
    let seen = |status, body: &'static str| {
        health(&base(&fakes::page(status, body)), soon()).map_err(|fault| fault.seen)
    };
    assert_eq!(seen("200 OK", r#"{"status":"Ok","message":""}"#), Ok(()));
    assert_eq!(seen("200 OK", "fine"), Err("answered HTTP 200, \"fine\"".into()));
    assert_eq!(
        seen("200 OK", r#"{"status":"Error"}"#),
        Err("answered HTTP 200, \"{\"status\":\"Error\"}\"".into())
    );
    assert_eq!(
        seen("503 Busy", r#"{"status":"Ok"}"#),
        Err("answered HTTP 503, \"{\"status\":\"Ok\"}\"".into())
    );
}

#[test]
fn the_api_gives_figures_for_the_token_alone() {
    let fake = fakes::page("200 OK", r#"{"torrents":0}"#);
    assert_eq!(api_stats(&over_ssh(fake.0), "a+b c", soon()).unwrap()["torrents"], 0);
    assert_eq!(fake.1.join().unwrap(), "GET /api/v1/stats HTTP/1.1");

    let fake = fakes::page("500 Oops", "Unhandled rejection: Err { reason: \"token not valid\" }");
    let fault = api_stats(&over_ssh(fake.0), "right", soon()).unwrap_err();
    assert!(fault.seen.starts_with("answered HTTP 500, \"Unhandled"), "{fault}");
    assert!(!fault.to_string().contains("right"));

    let refused = api_refuses(&base(&fakes::page("500 Oops", "token not valid")), Some("wrong"), soon());
    assert_eq!(refused, Ok("HTTP 500, \"token not valid\"".into()));
    for open in [fakes::page("200 OK", r#"{"torrents":0}"#), fakes::page("302 Found", "")] {
        let fault = api_refuses(&base(&open), None, soon()).unwrap_err();
        assert!(fault.expected.starts_with("a refusal of"), "{fault}");
    }
}

/// A service that is asked in clear text here, where a test stands for the host.
fn over_ssh(address: SocketAddr) -> Url {
    let relay = Relay::new(move |errand, deadline| {
        let url: Url = format!("http://{address}{}", errand.path).into();
        let request = Request::builder().method(errand.method.as_str()).uri(url.text());
        let request =
            errand.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        send(&url.agent(), request, &url, Carries::Nothing, deadline).map_err(|fault| fault.seen)
    });
    Url::from(format!("http://{address}")).on_host(relay, "127.0.0.1", false)
}

type Send = fn(&Url) -> Result<(), Fault>;

/// All that sends a secret.
const WITH_SECRET: [Send; 4] = [
    |url| api_stats(url, "s3cret", soon()).map(|_| ()),
    |url| get(url, &Login::Right("Basic s3cret".into()), soon()).map(|_| ()),
    |url| Record::key(url, "s3cret", Duration::from_secs(9), soon()).map(|_| ()),
    |url| Record::whitelisted(url, "s3cret", InfoHash([0x9a; 20]), soon()).map(|_| ()),
];

#[test]
fn a_secret_is_never_sent_in_clear_text() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let plain: Url = format!("http://{address}").into();
    // Whoever is in between may show a certificate that nobody verifies.
    let staging = Url::of_site("https", &address.to_string(), "127.0.0.1", Trust::Anyone);
    for url in [plain.clone(), staging] {
        for send in WITH_SECRET {
            let fault = send(&url).unwrap_err();
            assert!(fault.seen.contains("clear text"), "{fault}");
            assert!(listener.accept().is_err(), "{url}: a connection came");
        }
    }
    // What is no secret may go, and what nothing but the host reaches may not.
    let only = plain.on_host(Relay::new(|_, _| Err("over SSH".into())), "127.0.0.1", true);
    assert_eq!(get(&only, &Login::Nobody, soon()).unwrap_err().seen, "over SSH");
    assert!(listener.accept().is_err(), "a connection came");
}

#[test]
fn a_secret_goes_to_the_host_as_an_errand() {
    let (sender, errands) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let relay = Relay::new(move |errand, _| {
        sender.lock().unwrap().send(errand.clone()).unwrap();
        Err("enough".into())
    });
    let plain = Url::from("http://192.0.2.7:1212").on_host(relay.clone(), "::1", false);
    let staging = Url::of_site("https", "api.example.org", "192.0.2.7", Trust::Anyone);
    let staging = staging.on_host(relay, "127.0.0.1", false);
    for (url, domain, address, port) in
        [(plain, None, "::1", 1212), (staging, Some("api.example.org".to_owned()), "127.0.0.1", 443)]
    {
        for send in WITH_SECRET {
            assert_eq!(send(&url).unwrap_err().seen, "enough");
            let errand = errands.try_recv().unwrap();
            assert_eq!((&errand.domain, errand.address, errand.port), (&domain, address, port));
            let header = ("authorization".to_owned(), "s3cret");
            let has = |(name, value): &(String, String)| *name == header.0 && value.ends_with(header.1);
            assert!(errand.headers.iter().any(has), "{errand:?}");
            // What may have been written is removed again.
            while errands.try_recv().is_ok() {}
        }
    }
}

/// What a tracker is asked with this token, when it gives these answers, and whether the figures came.
fn asked(token: &str, answers: &'static [(&'static str, &'static str)]) -> (bool, Vec<String>) {
    let (address, server) = fakes::pages(answers);
    let came = api_stats(&over_ssh(address), token, soon()).is_ok();
    let head = |head: String| {
        let header = head.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        let line = head.lines().next().unwrap().trim_start_matches("GET /api/v1/stats");
        format!("{line}{}", header.map(|line| format!(", {}", line.to_lowercase())).unwrap_or_default())
    };
    (came, server.join().unwrap().into_iter().map(head).collect())
}

#[test]
fn the_token_travels_in_the_query_only_where_the_tracker_reads_no_header() {
    const WELL: (&str, &str) = ("200 OK", r#"{"torrents":0}"#);
    const NO_TOKEN: (&str, &str) = ("500 Oops", r#"Unhandled rejection: Err { reason: "unauthorized" }"#);
    const WRONG: (&str, &str) = ("500 Oops", r#"Unhandled rejection: Err { reason: "token not valid" }"#);
    let in_header = " HTTP/1.1, authorization: bearer s3cret".to_owned();
    let in_query = "?token=s3cret HTTP/1.1".to_owned();
    assert_eq!(asked("s3cret", &[WELL]), (true, vec![in_header.clone()]));
    assert_eq!(asked("s3cret", &[NO_TOKEN, WELL]), (true, vec![in_header.clone(), in_query]));
    assert_eq!(asked("s3cret", &[WRONG]), (false, vec![in_header]));
    assert_eq!(asked("schl\u{fc}ssel ", &[WELL]), (true, vec!["?token=schl%C3%BCssel%20 HTTP/1.1".into()]));
}

#[test]
fn an_announce_has_the_parameters_of_bep_3() {
    let fake = fakes::page("200 OK", "d8:completei1e10:incompletei0e8:intervali120e5:peers0:e");
    let peer = Announce {
        key: 1,
        peer_id: *b"-TD0100-\x00\xff aZ9-._~&=",
        ..Announce::seeder(InfoHash([0x9a; 20]), 6881)
    };
    tracker(&fake).announce(&peer, soon()).unwrap();
    let hash = "%9A".repeat(20);
    let query = format!(
        "info_hash={hash}&peer_id=-TD0100-%00%FF%20aZ9-._~%26%3D&port=6881&uploaded=0&downloaded=0&left=0&compact=1&key=00000001&event=started"
    );
    assert_eq!(fake.1.join().unwrap(), format!("GET /announce?{query} HTTP/1.1"));
}

#[test]
fn peers_come_compact_or_as_a_list() {
    let compact = b"d8:completei1e10:incompletei2e8:intervali60e5:peers6:\xc0\0\x02\x01\x1a\xe16:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1e";
    let list = b"d8:completei1e10:incompletei2e8:intervali60e5:peersld2:ip9:192.0.2.14:porti6881eed2:ip11:2001:db8::14:porti6881eeee";
    let peers = vec!["192.0.2.1:6881".parse().unwrap(), "[2001:db8::1]:6881".parse().unwrap()];
    let expected = Announced { interval: Duration::from_mins(1), seeders: 1, leechers: 2, peers };
    assert_eq!(announce_page("200 OK", compact), Ok(expected.clone()));
    assert_eq!(announce_page("200 OK", list), Ok(expected));
}

#[test]
fn bad_announce_answers_are_named() {
    for (status, body, seen) in [
        ("200 OK", "d14:failure reason6:no keye", "answered \"failure reason: no key\""),
        ("404 Not Found", "", "answered HTTP 404, no body"),
        ("502 Bad", "<html>\n <h1>Bad  gateway</h1>", "answered HTTP 502, \"<html> <h1>Bad gateway</h1>\""),
        (
            "200 OK",
            "<p>",
            "answered HTTP 200, \"<p>\", which is not bencode: no value starts like this at byte 0",
        ),
        ("500 Oops", "i1e", "answered HTTP 500, \"i1e\""),
        ("200 OK", "i1e", "answered HTTP 200, \"i1e\": no interval"),
        (
            "200 OK",
            "d8:completei1e10:incompletei0e8:intervali1ee",
            "answered HTTP 200, \"d8:completei1e10:incompletei0e8:intervali1ee\": no peers",
        ),
        (
            "200 OK",
            "d8:completei1e10:incompletei0e8:intervali1e5:peers1:xe",
            "answered HTTP 200, \"d8:completei1e10:incompletei0e8:intervali1e5:peers1:xe\": compact peers of a wrong size",
        ),
    ] {
        assert_eq!(announce_page(status, body), Err(seen.into()));
    }
}

#[test]
fn a_long_answer_is_shown_in_part() {
    let seen = announce_page("200 OK", "<".repeat(5000)).unwrap_err();
    assert!(seen.contains("<<…\", which is not bencode") && seen.len() < 250, "{seen}");
}

#[test]
fn a_scrape_gives_figures_in_the_order_asked() {
    let [a, b] = [[b'a'; 20], [b'b'; 20]];
    let entry = |seeders| format!("d8:completei{seeders}e10:downloadedi7e10:incompletei0ee");
    let body = format!("d5:filesd20:{}{}20:{}{}ee", "a".repeat(20), entry(1), "b".repeat(20), entry(2));
    let fake = fakes::page("200 OK", body);
    let tracker = HttpTracker::new(base(&fake).join("/announce/KEY"));
    let figures = tracker.scrape(&[InfoHash(b), InfoHash(a)], soon()).unwrap();
    let scraped = |seeders| Scraped { seeders, completed: 7, leechers: 0 };
    assert_eq!(figures, [scraped(2), scraped(1)]);
    let line = fake.1.join().unwrap();
    assert_eq!(
        line,
        format!("GET /scrape/KEY?info_hash={}&info_hash={} HTTP/1.1", "b".repeat(20), "a".repeat(20))
    );
}

#[test]
fn a_url_without_announce_has_no_scrape() {
    let fault = HttpTracker::new("http://127.0.0.1:1/x").scrape(&[], soon()).unwrap_err();
    assert_eq!(fault.seen, "no \"/announce\" in http://127.0.0.1:1/x");
}

#[test]
fn a_refused_visit_fails_and_leaves_no_peer() {
    let (address, _) = fakes::page("200 OK", "d14:failure reason2:noe");
    let tracker = HttpTracker::new(format!("http://{address}/announce"));
    let visit = Visit::start(&tracker, Announce::seeder(InfoHash::random(), 1), soon());
    assert_eq!(visit.err().unwrap().seen, "answered \"failure reason: no\"");
}

/// As release 3.0.0 and later ones refuse, and what must not be taken for that.
#[test]
fn refusal_for_a_key_is_told_from_other_failures() {
    let refused = |reason: &str| {
        let peer = Announce::seeder(InfoHash::random(), 6881);
        let fake = fakes::page("200 OK", format!("d14:failure reason{}:{reason}e", reason.len()));
        refused_for_key(&tracker(&fake).announce(&peer, soon()).unwrap_err())
    };
    assert!(refused(
        "Authentication error: Missing authentication key param for private tracker. Error in src/a.rs:79:31"
    ));
    assert!(refused(
        "Authentication error: Failed to read key: YZSl4lMZupRuOpSRC3krIKR5BPB14nrJ, src/tracker/mod.rs:848:27"
    ));
    assert!(refused("Tracker authentication error: Missing authentication key at src/a.rs"));
    for other in [
        "Tracker whitelist error: the torrent is not whitelisted",
        "Internal server error: no authentication key, for the database is away",
        "",
    ] {
        assert!(!refused(other), "{other}");
    }
    let proxy = |status, body: &'static str| {
        let peer = Announce::seeder(InfoHash::random(), 6881);
        refused_for_key(&tracker(&fakes::page(status, body)).announce(&peer, soon()).unwrap_err())
    };
    assert!(!proxy("407 Proxy Authentication Required", "Authentication error"));
    assert!(!proxy("401 Unauthorized", "<h1>Authentication error</h1>"));
}

#[test]
fn health_report_names_the_listeners_that_do_not_work() {
    let report = |status, body: &'static str| {
        health_report(&base(&fakes::page(status, body)).join("/health_check"), soon())
            .map_err(|fault| fault.seen)
    };
    let of_3_0_0 = r#"{"status":"Ok","message":"","details":[{"binding":"0.0.0.0:6969","info":"checking the udp tracker health check at: 0.0.0.0:6969","result":{"Ok":"Connected"}}]}"#;
    assert_eq!(report("200 OK", of_3_0_0), Ok("Ok, 1 listeners".to_owned()));
    let later = r#"{"status":"Error","message":"health check failed","details":[
        {"service_binding":"udp://0.0.0.0:6969","binding":"0.0.0.0:6969","service_type":"udp_tracker","info":"-","result":{"Err":"no answer"}},
        {"service_binding":"http://0.0.0.0:7070/","binding":"0.0.0.0:7070","service_type":"http_tracker","info":"-","result":{"Ok":"200 OK"}},
        {"binding":"[::]:7071","info":"-","result":{"Err":"refused"}}]}"#;
    assert_eq!(report("200 OK", later), Err("udp://0.0.0.0:6969: no answer; [::]:7071: refused".to_owned()));
    // A status that its details do not bear out is no health either.
    let torn = later.replace("\"Error\"", "\"Ok\"");
    assert!(report("200 OK", torn.leak()).is_err());
    let none = report("200 OK", r#"{"status":"None","message":"","details":[]}"#);
    assert_eq!(none, Err("the tracker reports no listener at all".to_owned()));
    assert!(
        report("200 OK", r#"{"status":"Error","message":"?","details":[]}"#)
            .unwrap_err()
            .contains("HTTP 200")
    );
    assert!(report("503 Service Unavailable", of_3_0_0).is_err());
}

#[test]
fn refusal_for_the_whitelist_is_the_tracker_s_own() {
    let seen = |seen: &str| refused_for_whitelist(&Fault::new("an answer", seen));
    let of_3_0_0 = "Tracker error: The torrent: 00, is not whitelisted, src/core/mod.rs:1:1";
    assert!(seen(&format!("answered \"failure reason: {of_3_0_0}\"")));
    assert!(seen(
        "answered \"failure reason: Tracker whitelist error: The torrent: 00, is not whitelisted\""
    ));
    assert!(seen("answered the error \"tracker server error: The torrent: 00, is not whitelisted\""));
    assert!(!seen("answered \"failure reason: Authentication error: Missing authentication key\""));
    assert!(!seen("answered HTTP 403, \"not on our whitelist\""));
}

#[test]
fn tracker_behind_a_proxy_is_told_of_a_client() {
    let fake = fakes::heard("d8:completei1e10:incompletei0e8:intervali60e5:peers0:e");
    let peer = Announce::seeder(InfoHash::random(), 6881);
    let url: Url = format!("http://{}/announce", fake.0).into();
    let tracker = HttpTracker::new(url).for_client(Some("192.0.2.1".parse().unwrap()));
    tracker.announce(&peer, soon()).unwrap();
    assert!(fake.1.join().unwrap().to_ascii_lowercase().contains("\r\nx-forwarded-for: 192.0.2.1\r\n"));
}

/// Later trackers refuse any `ip`, unless they are told to use it: an announce of ours says nothing of its address.
#[test]
fn announce_names_no_address() {
    let fake = fakes::page("200 OK", "d8:completei1e10:incompletei0e8:intervali60e5:peers0:e");
    announce(&fake).unwrap();
    let line = fake.1.join().unwrap();
    let query = line.split_once('?').unwrap().1;
    assert!(query.split('&').all(|pair| !pair.starts_with("ip=") && !pair.starts_with("ipv")), "{line}");
}
