//! The check of the targets, on recorded answers of Prometheus, Docker and the tracker.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Runs the script with the answers of each case in place of the network and of Docker. `@40@` is the time 40 s ago.
const HARNESS: &str = r#"
import contextlib, datetime, http.client, io, json, re, subprocess, sys
sys.argv[1:], cases = ["0", "60"], json.loads(sys.argv[2])
exec(open(0).read().replace("\nmain()\n", "\n"))
TOKEN = "/dev/null"
def dated(text):
    now = datetime.datetime.now(datetime.timezone.utc)
    return re.sub(r"@(\d+)@", lambda found: (now - datetime.timedelta(seconds=int(found[1]))).isoformat(), text)
def answer(given):
    if given == "refused":
        raise ConnectionRefusedError(111, "Connection refused")
    if given == "closed":
        raise http.client.RemoteDisconnected("closed without an answer")
    status, kind, body = given
    return status, kind, dated(body if isinstance(body, str) else json.dumps(body)).encode()
def fetch(url, headers):
    if url.startswith(PROMETHEUS):
        return answer(case["targets" if "targets" in url else "runtime"])
    return answer(case["query" if "token=" in url else "header"])
def docker(*words):
    given = case["ps" if "ps" in words else "inspect"]
    if given == "failed":
        raise subprocess.CalledProcessError(1, "docker", stderr="Error: No such object: 1")
    return dated(given if isinstance(given, str) else json.dumps(given))
for case in cases:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([out.getvalue().rstrip(), code]))
"#;

fn target(job: &str, health: &str, error: &str, scraped: &str) -> Value {
    let path = if job == "tracker_stats" { "stats" } else { "metrics" };
    json!({ "labels": { "job": job }, "health": health, "lastError": error, "lastScrape": scraped,
            "scrapeUrl": format!("http://tracker:1212/api/v1/{path}?format=prometheus") })
}

/// Both of the tracker's targets, down for this reason.
fn down(error: &str) -> Value {
    answered(
        ["tracker_stats", "tracker_metrics"].map(|job| target(job, "down", error, "@1@")).as_slice().into(),
    )
}

/// Prometheus with these targets.
fn answered(targets: Value) -> Value {
    let mut answer = json!({ "status": "success", "data": {} });
    answer["data"]["activeTargets"] = targets;
    json!([200, "application/json", answer])
}

fn container(status: &str, address: &str) -> Value {
    json!([{ "Config": { "Image": "torrust/tracker:3.0.0" },
             "State": { "Status": status, "StartedAt": "@500@" },
             "NetworkSettings": { "Networks": { "torrust-deployer-stack_metrics": { "IPAddress": address } } } }])
}

/// A healthy stack whose targets are up; a test changes one answer.
fn case() -> Value {
    let up = ["tracker_stats", "tracker_metrics"].map(|job| target(job, "up", "", "@1@"));
    json!({ "targets": answered(up.as_slice().into()),
            "runtime": [200, "application/json", { "data": { "startTime": "@9999@" } }],
            "ps": "1\n", "inspect": container("running", "172.18.0.2"),
            "header": [200, "text/plain", "torrents 1"], "query": [200, "text/plain", "torrents 1"] })
}

/// What the check prints for each case, and its exit code.
fn judged(cases: &[Value]) -> Vec<(String, i32)> {
    let mut child = Command::new("python3")
        .args(["-c", HARNESS, "-", &json!(cases).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(include_bytes!("../targets.py")).unwrap();
    let done = child.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert_eq!(error, "", "{out}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The healthy stack with other answers.
fn changed(changes: &[(&str, Value)]) -> Value {
    let mut case = case();
    for (answer, changed) in changes {
        case[answer] = changed.clone();
    }
    case
}

fn with(changes: &[(&str, Value)]) -> (String, i32) {
    judged(&[changed(changes)]).remove(0)
}

/// Checks that each case fails, and what it prints.
fn assert_fails(cases: Vec<(Value, &str)>) {
    let (cases, wanted): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let judged = judged(&cases);
    assert_eq!(judged.len(), wanted.len());
    for ((said, code), wanted) in judged.iter().zip(wanted) {
        assert!(*code == 1 && said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn all_targets_up_pass() {
    assert_eq!(with(&[]), ("tracker_metrics up, tracker_stats up".into(), 0));
}

#[test]
fn a_scrape_from_before_the_tracker_started_is_not_held_against_it() {
    let timed_out = |scraped: u32, tracker: u32| {
        let target = target("tracker_stats", "down", "i/o timeout", &format!("@{scraped}@"));
        let mut seen = container("running", "172.18.0.2");
        seen[0]["State"]["StartedAt"] = json!(format!("@{tracker}@"));
        with(&[("targets", answered(json!([target]))), ("inspect", seen)]).1
    };
    assert_eq!(timed_out(40, 30), 0, "the next scrape is to come");
    assert_eq!(timed_out(20, 30), 1, "the tracker was there");
    assert_eq!(timed_out(90, 70), 1, "the next scrape should have come");
}

#[test]
fn a_release_without_prometheus_output_is_a_warning() {
    let unauthorized = json!([500, "text/plain", r#"Unhandled rejection: Err { reason: "unauthorized" }"#]);
    let refused = down("server returned HTTP status 500 Internal Server Error");
    for answer in [json!([404, "text/plain", ""]), json!([200, "application/json", { "torrents": 1 }])] {
        let (said, code) =
            with(&[("targets", refused.clone()), ("header", unauthorized.clone()), ("query", answer)]);
        assert_eq!(code, 77, "{said}");
        let wanted = "torrust/tracker:3.0.0 has no Prometheus output at /api/v1/metrics and /api/v1/stats, which newer \
                      images have: the tracker's figures are missing";
        assert_eq!(said, wanted);
    }
    // Another target that is down is a failure, whatever the tracker has.
    let host = target("host", "down", "connection timed out", "@1@");
    let all = json!([target("tracker_stats", "down", "HTTP status 500", "@1@"), host]);
    let (said, code) = with(&[
        ("targets", answered(all)),
        ("header", unauthorized),
        ("query", json!([404, "text/plain", ""])),
    ]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("host down: connection timed out"), "{said}");
}

#[test]
fn a_tracker_that_reads_the_header_is_not_asked_with_the_query() {
    let wrong = json!([500, "text/plain", r#"Unhandled rejection: Err { reason: "token not valid" }"#]);
    let (said, code) = with(&[
        ("targets", down("server returned HTTP status 500 Internal Server Error")),
        ("header", wrong),
        ("query", json!("refused")),
    ]);
    assert_eq!(code, 1);
    assert!(said.contains("torrust/tracker:3.0.0 itself answers HTTP 500"), "{said}");
}

#[test]
fn a_tracker_that_restarts_is_named_as_that() {
    let inspected = [
        (container("restarting", ""), "the tracker is restarting, without an address"),
        (container("running", ""), "the tracker is running, without an address"),
        (container("exited", ""), "the tracker is exited, without an address"),
        (json!("failed"), "the tracker cannot be inspected: Error: No such object: 1, without an address"),
        (json!(""), "the tracker cannot be inspected"),
        (json!("[]"), "the tracker cannot be inspected"),
        (json!([{}]), "the tracker cannot be inspected"),
        (json!([{ "Config": null }]), "the tracker cannot be inspected"),
    ];
    let inspected = inspected.map(|(answer, wanted)| ("inspect", answer, wanted));
    let others = [
        ("ps", json!(""), "the tracker has no container"),
        ("ps", json!("failed"), "the tracker cannot be inspected"),
        ("header", json!("refused"), "the tracker does not answer: [Errno 111] Connection refused"),
        ("header", json!("closed"), "the tracker does not answer: closed without an answer"),
    ];
    let all = inspected.into_iter().chain(others);
    let case =
        |(which, answer, wanted)| (changed(&[("targets", down("i/o timeout")), (which, answer)]), wanted);
    assert_fails(all.map(case).collect());
}

#[test]
fn answers_of_another_shape_end_in_a_sentence() {
    let body = |body: Value| json!([200, "application/json", body]);
    let listed = [
        (json!("refused"), "Prometheus does not answer on 127.0.0.1:9090: [Errno 111] Connection refused"),
        (json!("closed"), "Prometheus does not answer on 127.0.0.1:9090: closed without an answer"),
        (json!([503, "text/plain", "Service Unavailable"]), "Prometheus answers HTTP 503 to "),
        (body(json!("<html>")), "Prometheus answers HTTP 200 to "),
        (body(json!([1])), "Prometheus answers HTTP 200 to "),
        (body(json!({ "data": null })), "Prometheus answers HTTP 200 to "),
        (answered(json!({})), "no targets"),
        (answered(json!([])), "no targets"),
        (answered(json!(null)), "Prometheus describes its targets in an unknown way"),
        (answered(json!([1])), "Prometheus describes its targets in an unknown way"),
        (answered(json!([{ "labels": {} }])), "Prometheus describes its targets in an unknown way"),
        (answered(json!([target("host", "down", "x", "never")])), "Prometheus describes its targets"),
    ];
    let listed = listed.map(|(answer, wanted)| (changed(&[("targets", answer)]), wanted));
    let began = [
        (json!("refused"), "Prometheus does not answer"),
        (body(json!({ "data": {} })), "Prometheus answers HTTP 200 to "),
        (body(json!({ "data": { "startTime": "x" } })), "Prometheus gives its start in an unknown form"),
    ];
    let began = began
        .map(|(answer, wanted)| (changed(&[("targets", down("i/o timeout")), ("runtime", answer)]), wanted));
    assert_fails(listed.into_iter().chain(began).collect());
}
