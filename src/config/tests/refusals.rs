//! One case for each rule: what is changed in a good file, and what is said then.
//!
//! The cases are in `tests/configs/rules.json`.

use super::*;

/// The problems of a valid file in which some places are changed.
fn changed(file: &str, changes: &[(&str, Json)]) -> Vec<Problem> {
    let mut document = valid(file);
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Json::Object(object) if value.is_null() => drop(object.remove(name)),
            Json::Object(object) => drop(object.insert(name.to_owned(), value.clone())),
            Json::Array(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{pointer} is in {other}"),
        }
    }
    let text = document.to_string();
    let parsed = Document::parse(&text).unwrap_or_else(|problem| panic!("{problem:?}"));
    let folder = folder();
    examine(&parsed, schema(), folder.path()).1
}

#[test]
fn every_rule_says_where_and_what() {
    let cases =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/rules.json")).unwrap();
    for case in serde_json::from_str::<Vec<Json>>(&cases).unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let changes: Vec<_> =
            case["set"].as_object().unwrap().iter().map(|(p, v)| (p.as_str(), v.clone())).collect();
        let problems = changed(text("file"), &changes);
        let found = problems.iter().any(|problem| {
            let says = format!("{}\n{}", problem.what, problem.fix.as_deref().unwrap_or_default());
            let place = (problem.path.as_str(), problem.warning);
            place == (text("path"), text("severity") == "warning") && says.contains(text("says"))
        });
        assert!(found, "{case}\n{problems:#?}");
        assert!(problems.iter().all(|problem| problem.fix.is_some()), "{problems:#?}");
    }
}

#[test]
fn ports_that_never_meet_are_free() {
    let port = |port: &str| json!(format!("0.0.0.0:{port}"));
    let cases: &[(&str, Vec<(&str, Json)>)] = &[
        // TCP and UDP are worlds of their own.
        ("older-core.json", vec![("/tracker/udp_trackers/0/bind_address", port("7070"))]),
        // Behind the proxy the tracker's ports are its container's alone.
        ("full-https.json", vec![("/tracker/http_api/bind_address", port("443"))]),
        ("full-https.json", vec![("/tracker/http_api/bind_address", port("9090"))]),
        // A proxied Grafana publishes no port.
        ("full-https.json", vec![("/tracker/http_api/bind_address", port("3000"))]),
        // Without TLS nothing else takes the proxy's ports.
        ("minimal.json", vec![("/tracker/http_api/bind_address", port("443"))]),
        ("minimal.json", vec![("/tracker/health_check_api", json!({ "bind_address": "127.0.0.1:22" }))]),
    ];
    for (file, changes) in cases {
        let problems = changed(file, changes);
        assert!(problems.iter().all(|problem| problem.warning), "{changes:?}: {problems:#?}");
    }
}

#[test]
fn a_default_address_that_collides_is_shown_at_the_users_line() {
    let problems = changed("minimal.json", &[("/tracker/http_api/bind_address", json!("0.0.0.0:1313"))]);
    assert_eq!(problems[0].path, "tracker.http_api.bind_address");
}

#[test]
fn a_password_in_a_url_is_shown_nowhere() {
    let mut document = valid("full-https.json");
    for field in ["host", "database_name"] {
        document["tracker"]["core"]["database"][field] = json!("mysql://u:S3CRET@PASS@db/x");
    }
    let text = serde_json::to_string_pretty(&document).unwrap();
    let refused = parse(&text, "env.json", folder().path()).unwrap_err();
    let shown = format!("{refused:?}");
    assert!(shown.contains("mysql://***@db/x"), "{shown}");
    assert!(!shown.contains("S3CRET") && !shown.contains("PASS@"), "{shown}");
    // Without its scheme.
    document["tracker"]["core"]["database"]["host"] = json!("u:S3CRET@PASS@db");
    document["tracker"]["core"]["database"]["database_name"] = json!("tracker");
    document["images"] = json!({ "caddy": "u:S3CRET@PASS@reg.example.com/X:1" });
    let text = document.to_string();
    let refused = parse(&text, "env.json", folder().path()).unwrap_err();
    let shown = format!("{refused:?}");
    assert!(shown.contains("***@db") && shown.contains("***@reg.example.com/X:1"), "{shown}");
    assert!(!shown.contains("S3CRET") && !shown.contains("PASS@"), "{shown}");
}

#[test]
fn a_missing_host_is_described_by_a_whole_sentence() {
    let problems = changed("full-https.json", &[("/tracker/core/database/host", Json::Null)]);
    let missing = problems.iter().find(|problem| problem.what.contains("host")).unwrap();
    let fix = missing.fix.as_deref().unwrap();
    assert!(fix.ends_with("else the name or address of a server of your own"), "{fix}");
}

#[test]
fn tags_that_cannot_be_judged_give_no_warning() {
    let of = |image: &str| {
        let changes = [("/tracker/schema", json!("2.0.0")), ("/images", json!({ "tracker": image }))];
        changed("minimal.json", &changes).iter().any(|problem| problem.path == "tracker.schema")
    };
    assert!(!of("torrust/tracker:latest") && !of("torrust/tracker") && !of("torrust/tracker:v3"));
    assert!(of("torrust/tracker:develop"));
}
