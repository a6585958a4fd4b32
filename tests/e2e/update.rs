//! Another configuration for a running tracker, with the time that its peers are without it; and the way back.

use std::fs;
use std::io::{Write, stdout};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::Host;
use crate::lab;

/// How often a peer announces, and the most that one test does.
const EVERY: Duration = Duration::from_millis(50);
const AT_MOST: usize = 20 * 240;

/// A peer that announces over UDP (BEP 15) all the time, at whichever of the ports answers.
struct Peer {
    stop: Arc<AtomicBool>,
    answered: JoinHandle<Vec<Instant>>,
    began: Instant,
}

impl Peer {
    fn start(host: &Host, ports: &[u16]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, ports, address) = (stop.clone(), ports.to_vec(), host.address.clone());
        let began = Instant::now();
        let answered = thread::spawn(move || {
            let mut answered = vec![];
            for _ in 0..AT_MOST {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let tick = Instant::now();
                if ports.iter().any(|port| announce(&address, *port).is_some()) {
                    answered.push(Instant::now());
                }
                thread::sleep(EVERY.saturating_sub(tick.elapsed()));
            }
            answered
        });
        Self { stop, answered, began }
    }

    /// The longest time without an answer.
    fn gap(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let answered = self.answered.join().unwrap();
        let times: Vec<_> = [self.began].into_iter().chain(answered).chain([Instant::now()]).collect();
        assert!(times.len() > 5, "hardly anything was answered");
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

fn announce(address: &str, port: u16) -> Option<()> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(EVERY)).unwrap();
    socket.connect((address, port)).ok()?;
    let mut answer = [0; 512];
    let mut ask = |packet: &[u8], action: u8| -> Option<[u8; 8]> {
        socket.send(packet).ok()?;
        let length = socket.recv(&mut answer).ok()?;
        (length >= 16 && answer[3] == action).then(|| answer[8..16].try_into().unwrap())
    };
    let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 4], b"peer"].concat();
    let connection = ask(&connect, 0)?;
    let event = [&[0; 3][..], &[2], &[0; 8], &[0xff; 4], &9_u16.to_be_bytes()].concat();
    let announce =
        [&connection[..], &[0, 0, 0, 1], b"peer", &[7; 20], b"-qB00000000000000001", &[0; 24], &event]
            .concat();
    ask(&announce, 1).map(|_| ())
}

/// A running tracker, and the configuration that it has by now.
pub struct Case {
    pub desk: Desk,
    pub host: Host,
    pub config: Value,
}

impl Case {
    pub fn start(change: impl FnOnce(&mut Value)) -> Self {
        let (desk, host, config) = Desk::with_running(change);
        Self { desk, host, config }
    }

    fn file(&self, config: &Value) -> String {
        self.desk.write("new.json", &config.to_string())
    }

    /// Deploys the changed configuration under the eyes of a peer, and says how long it went without.
    pub fn deploy(&mut self, what: &str, ports: &[u16], change: impl FnOnce(&mut Value)) -> Value {
        change(&mut self.config);
        let file = self.file(&self.config);
        let (peer, began) = (Peer::start(&self.host, ports), Instant::now());
        let deployed = self.desk.run(&["deploy", "-f", &file]).ok();
        measured(what, peer.gap(), began.elapsed());
        assert_eq!(self.desk.stage(), "running");
        deployed
    }

    pub fn roll_back(&self, what: &str, options: &[&str]) -> Value {
        let (peer, began) = (Peer::start(&self.host, &[6969]), Instant::now());
        let back = self.desk.run(&[&["rollback", self.desk.name.as_str()], options].concat()).ok();
        measured(what, peer.gap(), began.elapsed());
        back
    }

    /// The container's id: another one after it was made anew.
    fn container(&self, service: &str) -> String {
        self.host.exec(&format!(
            "docker inspect --format '{{{{.Id}}}} {{{{.State.StartedAt}}}}' torrust-deployer-stack-{service}-1"
        ))
    }

    fn release(&self) -> String {
        self.host.exec("readlink /opt/torrust/releases/current")
    }
}

/// Figures for people, on the test's own output.
fn measured(what: &str, gap: Duration, took: Duration) {
    let (gap, took) = (gap.as_millis(), took.as_secs_f64());
    let _ = writeln!(stdout(), "{what:<44} peers without it {gap:>5} ms, the command took {took:>5.1} s");
}

#[test]
fn each_kind_of_change_on_a_running_tracker() {
    let mut case = Case::start(|_| {});
    let tracker = case.container("tracker");
    case.deploy("nothing changed", &[6969], |_| {});
    assert_eq!(tracker, case.container("tracker"));
    case.deploy("the API's token", &[6969], |config| {
        config["tracker"]["http_api"]["admin_token"] = "another-token-with-24-chars".into();
    });
    refused(&case);
    let other_port =
        |config: &mut Value| config["tracker"]["udp_trackers"][0]["bind_address"] = "0.0.0.0:6868".into();
    is_tested_as_it_stands(&case, other_port);
    case.deploy("the UDP tracker's port", &[6969, 6868], other_port);
    assert!(case.host.exec("ufw status").contains("6868/udp"), "the firewall has the new port");
    case.deploy("HTTPS for the HTTP tracker and the API", &[6868], https);
    case.desk.test();
}

/// Until an update is deployed.
fn is_tested_as_it_stands(case: &Case, change: impl FnOnce(&mut Value)) {
    let mut config = case.config.clone();
    change(&mut config);
    case.desk.run(&["update", &case.desk.name, "-f", &case.file(&config)]).ok();
    assert_ne!(case.desk.stage(), "running");
    assert_checks(&case.desk.test(), "UDP tracker 6969", "passed", 2);
}

#[test]
fn only_what_changed_is_made_anew() {
    let mut case = Case::start(https);
    case.deploy("Prometheus and Grafana", &[6969], |config| {
        config["images"]["prometheus"] = "lab/prometheus:2.53".into();
        config["images"]["grafana"] = "lab/grafana:stand-in".into();
        config["prometheus"] = json!({ "scrape_interval_in_secs": 15 });
        config["grafana"] = json!({ "admin_user": "operator", "admin_password": "not-so-secret-1" });
    });
    let all =
        |case: &Case| ["caddy", "grafana", "prometheus", "tracker"].map(|service| case.container(service));
    let [caddy, _, prometheus, tracker] = all(&case);
    case.deploy("how often Prometheus reads", &[6969], |config| {
        config["prometheus"]["scrape_interval_in_secs"] = 5.into();
    });
    let before = all(&case);
    assert_eq!((&caddy, &tracker), (&before[0], &before[3]), "nothing of them changed");
    assert_ne!(prometheus, before[2]);
    case.deploy("another image of the tracker", &[6969], |config| {
        config["images"]["tracker"] = lab::TRACKER_3.into();
    });
    let after = all(&case);
    assert_eq!(before[..3], after[..3], "nothing of them changed");
    assert_ne!(tracker, after[3]);
    case.desk.test();
}

fn https(config: &mut Value) {
    config["images"]["caddy"] = lab::CADDY.into();
    config["https"] = json!({ "ca": "internal", "admin_email": "admin@lab.test" });
    for (pointer, domain) in [("/http_trackers/0", "tracker.lab.test"), ("/http_api", "api.lab.test")] {
        let service = config["tracker"].pointer_mut(pointer).unwrap();
        service["domain"] = domain.into();
        service["use_tls_proxy"] = true.into();
    }
}

/// What would lose data, or needs another host, changes nothing.
fn refused(case: &Case) {
    let mut mysql = case.config.clone();
    mysql["environment"]["instance_name"] = "other".into();
    mysql["tracker"]["core"]["database"] = json!({
        "driver": "mysql", "host": "mysql", "port": 3306, "database_name": "tracker",
        "username": "tracker", "password": "a-password-of-16",
    });
    let (tracker, stored) = (case.container("tracker"), case.desk.stored()["config"].clone());
    let file = case.file(&mysql);
    for command in [&["update", &case.desk.name, "-f", &file][..], &["deploy", "-f", &file]] {
        let failure = case.desk.run(command).fails("change_refused");
        let driver = "tracker.core.database.driver: \"sqlite3\" -> \"mysql\"";
        failure.says(&[driver, "empty database", "instance_name"]).helps("choose another environment.name");
    }
    assert_eq!((tracker, &stored), (case.container("tracker"), &case.desk.stored()["config"]));
    assert_eq!(case.desk.stage(), "running");
}

/// The stored configuration is the one that this release was made from: `before`, with a name for each image that it leaves
/// to the program, since a later version has other ones.
fn is_configuration_of(case: &Case, release: u64, before: &Value) {
    let mut stored = case.desk.stored()["config"].clone();
    let file = case.desk.path(&format!("data/{}/releases/{release}.json", case.desk.name));
    let kept: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(stored, kept["config"]);
    let images = stored["images"].as_object_mut().unwrap();
    assert!(images.len() > 3 && images.values().all(Value::is_string), "{images:?}");
    images.retain(|name, _| before["images"].get(name).is_some());
    assert_eq!(&stored, before);
}

#[test]
fn a_broken_update_goes_back_by_itself_and_any_release_by_hand() {
    let mut case = Case::start(|_| {});
    let first = case.desk.stored()["config"].clone();
    case.deploy("a second release", &[6969], |config| {
        config["tracker"]["http_api"]["admin_token"] = "another-token-with-24-chars".into();
    });
    let second = case.desk.stored()["config"].clone();
    goes_back_by_itself(&case);
    is_configuration_of(&case, 2, &second);

    is_killed_on_the_way_back(&case);
    is_configuration_of(&case, 4, &second);
    assert!(case.desk.stored()["choices"].get("tracker_toml").is_none());

    let back = case.roll_back("rollback to the release before", &[]);
    assert_eq!(back["put_back"], 1, "2 and its copies are behind us");
    is_configuration_of(&case, 1, &first);
    case.desk.test();
    let none = case.desk.run(&["rollback", &case.desk.name]).fails("state_refused");
    none.says(&["no release", "release 2 of", "in place"]).helps("--to N");
    // The tag moved since then.
    let image = "docker image inspect --format '{{.Id}}' lab/tracker:3.0.0";
    let was = case.host.exec(image);
    case.host.exec("docker tag lab/debian:trixie lab/tracker:3.0.0");
    case.roll_back("rollback --to a newer one", &["--to", "2"]);
    assert_eq!(case.host.exec(image), was);
    assert_eq!(
        case.host.exec("cat /opt/torrust/releases/current/images"),
        format!("lab/tracker:3.0.0 {was} -"),
        "no registry has it"
    );
    is_configuration_of(&case, 2, &second);
}

fn goes_back_by_itself(case: &Case) {
    let mut broken = case.config.clone();
    broken["images"]["tracker"] = "lab/debian:trixie".into();
    let file = case.file(&broken);
    let (peer, began) = (Peer::start(&case.host, &[6969]), Instant::now());
    let failure = case.desk.run(&["deploy", "-f", &file]).fails("service_unhealthy");
    measured("an image that ends, and back by itself", peer.gap(), began.elapsed());
    let back = "release 2 is back (as release 4), and it is healthy";
    failure.says(&["torrust-deployer-stack-tracker-1", "does not get healthy", back]).helps("deploy -f FILE");
    assert_eq!((case.desk.stage(), case.release()), ("running".into(), "4".into()));
    case.desk.test();
    assert_eq!(case.desk.run(&["deploy", &case.desk.name]).ok()["changed"], false);
}

/// A broken release that is kept is put back by hand, and that is killed at some moments.
fn is_killed_on_the_way_back(case: &Case) {
    let toml = case.host.exec("cat /opt/torrust/storage/tracker/etc/tracker.toml");
    let own = toml.replace("threshold = \"info\"", "threshold = \"loud\"");
    assert_ne!(own, toml);
    let own = case.desk.write("own.toml", &own);
    case.desk.run(&["release", &case.desk.name, "--config", &own]).ok();
    let kept = case.desk.run(&["run", &case.desk.name, "--no-rollback"]).fails("service_unhealthy");
    kept.says(&["loud"]).helps("--to 4");
    assert_eq!((case.desk.stage(), case.release()), ("released".into(), "5".into()));
    for (step, delay) in
        [("Put the kept release back", 0), ("Put the kept release back", 250), ("Start the containers", 100)]
    {
        let rollback = ["rollback", case.desk.name.as_str()];
        case.desk.start(&rollback).kill_after(step, Duration::from_millis(delay));
    }
    let back = case.roll_back("rollback from a tracker that was down", &[]);
    assert_eq!((&back["put_back"], &back["state"]), (&json!(4), &json!("running")));
    case.desk.test();
}
