//! Prometheus and Grafana over a tracker with Prometheus output, and over one without.

use std::fs;
use std::io::{Write, stdout};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::{Host, eventually};
use crate::lab;

const TOKEN: &str = r#"vE4"ixM2 uTq0$k9s/Lw7=bNcYd"#;
const DASHBOARDS: &str = "/opt/torrust/storage/grafana/provisioning/dashboards/torrust";

pub fn config(desk: &Desk) -> Value {
    let mut config = desk.config();
    config["images"]["tracker"] = json!(lab::TRACKER_3);
    config["images"]["prometheus"] = json!("lab/prometheus:2.53");
    config["images"]["grafana"] = json!("lab/grafana:stand-in");
    config["tracker"]["http_api"]["admin_token"] = json!(TOKEN);
    config["prometheus"] = json!({ "scrape_interval_in_secs": 2 });
    config["grafana"] = json!({ "admin_user": "operator", "admin_password": "a\"b\\c$d'e #f" });
    config
}

fn connects(host: &Host, port: u16) -> bool {
    let address = format!("{}:{port}", host.address).parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

/// All queries of the dashboards that were deployed, as Grafana would ask them.
fn queries(host: &Host) -> Vec<String> {
    let boards = host.exec(&format!("cat {DASHBOARDS}/*.json"));
    let boards = serde_json::Deserializer::from_str(&boards).into_iter::<Value>().map(Result::unwrap);
    let panels = boards.flat_map(|board| board["panels"].as_array().unwrap().clone());
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    let panels = targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"));
    panels.chain(alerts(host)).collect()
}

/// What the tracker's alerts compare, and whether one holds: the left side of each comparison has to have a value.
fn alerts(host: &Host) -> Vec<String> {
    let rules = host.exec("docker exec torrust-deployer-stack-prometheus-1 cat /etc/prometheus/rules.yml");
    let ratio = rules.split("- alert: TrackerUdpErrors").nth(1).and_then(|rest| rest.split(">-").nth(1));
    let ratio = ratio.and_then(|rest| rest.split(" > 0.1").next()).unwrap();
    let ratio = ratio.split_whitespace().collect::<Vec<_>>().join(" ");
    vec![
        ratio,
        r#"up{job=~"tracker_.*"}"#.into(),
        r#"sum({__name__=~"seeders|leechers",job="tracker_stats"})"#.into(),
    ]
}

/// Each query and its answer, for people, on the test's own output.
fn show(host: &Host, queries: &[String]) {
    for query in queries {
        let asked =
            "docker exec torrust-deployer-stack-prometheus-1 promtool query instant http://127.0.0.1:9090";
        let answer = host.exec(&format!("{asked} '{query}'"));
        let _ = writeln!(stdout(), "{query}\n{answer}");
    }
}

/// The lab's cases for the alerts, on the rules that were deployed, by the Prometheus that reads them.
fn alerts_fire_as_they_should(host: &Host) {
    for cases in ["tracker", "host"] {
        let text = fs::read_to_string(lab::project().join(format!("lab/judge/{cases}-alerts.yml"))).unwrap();
        let file = format!("/tmp/{cases}-alerts.yml");
        host.exec(&format!(
            "docker exec -i torrust-deployer-stack-prometheus-1 sh -c 'cat >{file} && promtool test rules {file}' <<'CASES'\n{text}\nCASES"
        ));
    }
}

/// Those that Prometheus refuses, or has no answer to.
fn unanswered(host: &Host, queries: &[String]) -> String {
    let quoted: Vec<_> = queries.iter().map(|query| format!("'{query}'")).collect();
    host.exec(&format!(
        "for query in {}; do \
           answer=$(docker exec torrust-deployer-stack-prometheus-1 promtool query instant http://127.0.0.1:9090 \"$query\" 2>&1) && [ -n \"$answer\" ] \
           || echo \"$query: $answer\"; \
         done",
        quoted.join(" ")
    ))
}

/// The check of Prometheus' targets, in a report that may have failed.
fn targets(desk: &Desk) -> Value {
    let ran = desk.run(&["test", &desk.name]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let checks = document["checks"].as_array().or_else(|| document["error"]["problems"].as_array()).unwrap();
    checks.iter().find(|check| check["name"] == "Prometheus: targets up").unwrap().clone()
}

#[test]
fn figures_reach_the_dashboards_and_nobody_else() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&config(&desk));
    desk.register(&host);
    desk.run(&["configure", &desk.name, "--install-monitoring"]).ok();
    desk.deploy();
    assert_checks(&desk.test(), "Grafana 3000", "passed", 4);
    assert_eq!(targets(&desk)["seen"], "host up, tracker_metrics up, tracker_stats up");
    nobody_else_reads_them(&host);
    a_route_to_the_containers_leads_nowhere(&host);

    another_password(&desk, &host);

    let queries = queries(&host);
    assert!(queries.len() > 30, "{queries:?}");
    eventually("every query has an answer", || unanswered(&host, &queries).is_empty());
    show(&host, &queries);
    alerts_fire_as_they_should(&host);

    let released = desk.run(&["release", &desk.name, "--image-tag", "3.0.0"]);
    assert!(released.err.contains("lab/tracker:3.0.0 has no Prometheus output"), "{}", released.err);
    released.ok();
    desk.run(&["run", &desk.name]).ok();
    let check = targets(&desk);
    assert_eq!(check["status"], "warning", "{check}");
    assert_eq!(
        check["seen"],
        "lab/tracker:3.0.0 has no Prometheus output at /api/v1/metrics and /api/v1/stats, which newer images have: the \
         tracker's figures are missing, host up"
    );
    desk.test();
}

/// Whether a neighbour in the host's network, with a route to the containers, gets through to Prometheus' own address.
fn reached_by_a_neighbour(host: &Host, address: &str) -> bool {
    let script =
        format!("ip route add 172.16.0.0/12 via {} && exec 3<>/dev/tcp/{address}/9090", host.address);
    let name = lab::unique_name();
    let run = ["run", "--rm", "--name", &name, "--label", lab::LABEL, "--network", &host.name];
    let program = ["--cap-add", "NET_ADMIN", "--entrypoint", "timeout", "lab/host:trixie", "3"];
    lab::try_run("docker", &[&run[..], &program, &["bash", "-c", &script]].concat()).is_ok()
}

fn a_route_to_the_containers_leads_nowhere(host: &Host) {
    let addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses =
        host.exec(&format!("docker inspect --format '{addresses}' torrust-deployer-stack-prometheus-1"));
    let reached = || addresses.split_whitespace().any(|address| reached_by_a_neighbour(host, address));
    assert!(!reached(), "{addresses}");
    // Without the rule an older Docker lets the neighbour in: the question is one that has two answers.
    let rules = host.exec("iptables -S DOCKER-USER | grep br-torrust");
    host.exec(&format!("iptables {}", rules.replacen("-A", "-D", 1)));
    assert!(reached(), "{addresses}");
    // A start of the host's has it in place again, and a second one changes nothing.
    for _ in 0..2 {
        host.exec("systemctl restart torrust-tracker-container-guard");
        assert_eq!(rules, host.exec("iptables -S DOCKER-USER | grep br-torrust"));
    }
    assert!(!reached(), "{addresses}");
}

/// Grafana, which takes a password at its first start alone, gets each that is configured, and keeps its data.
fn another_password(desk: &Desk, host: &Host) {
    let key = "sha256sum /opt/torrust/storage/grafana/data/secret_key";
    let before = host.exec(key);
    let mut stored = desk.stored();
    stored["config"]["grafana"]["admin_password"] = json!("n$w ${HOME} $__env{HOME} 'pass\"word");
    stored["stage"] = json!("configured");
    fs::write(desk.path(&format!("data/{}/environment.json", desk.name)), stored.to_string()).unwrap();
    desk.deploy();
    assert_checks(&desk.test(), "Grafana 3000", "passed", 4);
    assert_eq!(before, host.exec(key));
    let seen = host.exec(
        "docker inspect torrust-deployer-stack-grafana-1; docker logs torrust-deployer-stack-grafana-1 2>&1",
    );
    assert!(!seen.contains("pass\"word"), "{seen}");
}

fn nobody_else_reads_them(host: &Host) {
    assert!(connects(host, 3000));
    assert!(!connects(host, 9090) && host.succeeds("exec 3<>/dev/tcp/127.0.0.1/9090"));
    let shown = host.exec(
        "exec 3<>/dev/tcp/127.0.0.1/9090; printf 'GET /api/v1/status/config HTTP/1.0\r\n\r\n' >&3; cat <&3",
    );
    assert!(shown.contains("tracker_metrics") && !shown.contains("uTq0"), "{shown}");
    let holding = host.exec(
        "cd /opt/torrust; grep -rlF uTq0 . --exclude-dir=data --exclude-dir=releases | xargs stat --format '%a %u %n' | sort",
    );
    assert_eq!(holding, "600 0 ./.env\n600 65534 ./storage/prometheus/etc/token");
    host.exec("docker exec torrust-deployer-stack-prometheus-1 promtool check config /etc/prometheus/prometheus.yml");
}
