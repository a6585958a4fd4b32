use std::path::Path;

use super::*;
use crate::config::{self, Prometheus, ProviderKind, Secret};
use crate::store::Choices;

fn environment() -> Environment {
    let name = "demo".parse().unwrap();
    let key = Path::new("/home/me/.ssh/id_ed25519");
    let mut config = config::template(ProviderKind::Docker, &name, key).unwrap();
    config.prometheus = Some(Prometheus { scrape_interval_in_secs: 30 });
    config.grafana = Some(Grafana {
        admin_user: "operator".into(),
        admin_password: Secret::Literal("Zk9sLw7RbNcYdvE4".into()),
        domain: None,
        use_tls_proxy: None,
    });
    Environment::new(config, Choices::default())
}

fn with_domain(tls: bool) -> Environment {
    let mut env = environment();
    let grafana = env.config.grafana.as_mut().unwrap();
    (grafana.domain, grafana.use_tls_proxy) = (Some("grafana.example.org".into()), Some(tls));
    env
}

fn paths(env: &Environment) -> Vec<String> {
    service(env).unwrap().files.into_iter().map(|file| file.path).collect()
}

fn variable(env: &Environment, name: &str) -> Option<String> {
    service(env).unwrap().env.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[test]
fn the_hosts_dashboard_is_there_with_the_hosts_agent() {
    let mut env = environment();
    let folder = "storage/grafana/provisioning";
    let mut wanted = vec![
        format!("{folder}/dashboards/torrust.yml"),
        format!("{folder}/dashboards/torrust/overview.json"),
        format!("{folder}/datasources/prometheus.yml"),
        "storage/grafana/etc/start.sh".into(),
        "storage/grafana/etc/admin_password".into(),
    ];
    assert_eq!(paths(&env), wanted);
    env.choices.monitoring = true;
    wanted.insert(1, format!("{folder}/dashboards/torrust/host.json"));
    assert_eq!(paths(&env), wanted);
}

#[test]
fn the_data_source_is_prometheus_with_its_interval() {
    let files = service(&environment()).unwrap().files;
    let source = files.iter().find(|file| file.path.ends_with("/prometheus.yml")).unwrap();
    let source = String::from_utf8(source.bytes.clone()).unwrap();
    assert!(
        source.contains("url: http://prometheus:9090\n") && source.contains("timeInterval: 30s\n"),
        "{source}"
    );
}

#[test]
fn all_panels_ask_the_provisioned_data_source() {
    let mut env = environment();
    env.choices.monitoring = true;
    for file in service(&env).unwrap().files.iter().filter(|file| file.path.contains("/torrust/")) {
        let board: Value = serde_json::from_slice(&file.bytes).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            assert_eq!(panel["datasource"]["uid"], "prometheus", "{}: {}", file.path, panel["title"]);
        }
    }
}

#[test]
fn what_is_behind_the_proxy_is_not_published() {
    assert_eq!(ports(&environment().config).len(), 1);
    let env = with_domain(true);
    assert_eq!(ports(&env.config), []);
    assert_eq!(container(&env).networks, ["visualization", "proxy-grafana"]);
    assert_eq!(variable(&env, "GF_SERVER_ROOT_URL").unwrap(), "https://grafana.example.org/");
    assert_eq!(variable(&env, "GF_SECURITY_COOKIE_SECURE").unwrap(), "true");
}

#[test]
fn its_address_is_the_domain_or_the_hosts() {
    let url = |env: &Environment| endpoints(&env.config)[0].url("192.0.2.7");
    assert_eq!(url(&environment()), "http://192.0.2.7:3000/");
    assert_eq!(url(&with_domain(false)), "http://grafana.example.org:3000/");
    assert_eq!(
        variable(&with_domain(false), "GF_SERVER_ROOT_URL").unwrap(),
        "http://grafana.example.org:3000/"
    );
    assert_eq!(variable(&environment(), "GF_SERVER_ROOT_URL"), None);
}

#[test]
fn the_password_is_in_a_file_for_grafana_alone() {
    let service = service(&environment()).unwrap();
    let holding: Vec<_> = service
        .files
        .iter()
        .filter(|file| String::from_utf8_lossy(&file.bytes).contains("Zk9sLw7"))
        .map(|file| (file.path.as_str(), file.mode, file.owner))
        .collect();
    assert_eq!(holding, [("storage/grafana/etc/admin_password", "0600", 472)]);
    assert!(service.env.iter().all(|(_, value)| !value.contains("Zk9sLw7")));
}

#[test]
fn a_password_that_grafana_would_change_or_refuse_is_refused_here() {
    let with = |password: &str| {
        let mut env = environment();
        env.config.grafana.as_mut().unwrap().admin_password = Secret::Literal(password.into());
        service(&env)
    };
    for bad in ["abc", " abcd", "abcd "] {
        assert_eq!(with(bad).unwrap_err().code(), Code::ConfigInvalid, "{bad:?}");
    }
    for good in ["a${HOME}b", "$__env{HOME}", "a b\"c\\d$e"] {
        let files = with(good).unwrap().files;
        assert_eq!(files.last().unwrap().bytes, good.as_bytes(), "{good}");
    }
}

#[test]
fn without_a_section_there_is_no_site() {
    let mut env = with_domain(true);
    assert_eq!(crate::services::sites(&env.config).len(), 1);
    env.config.grafana = None;
    assert_eq!(crate::services::sites(&env.config), []);
}

/// Answers with these bodies, one after the other, and counts.
fn server(answers: &'static [(u16, &'static str)]) -> (Url, std::thread::JoinHandle<usize>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).into();
    let serve = move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head =
                format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).unwrap();
        }
        answers.len()
    };
    (url, std::thread::spawn(serve))
}

#[test]
fn what_is_provisioned_after_the_server_answers_is_waited_for() {
    let deadline = || Deadline::after(Duration::from_secs(10));
    let is_ok = |answer: &Answer| answer.json().is_some_and(|body| body["status"] == "OK");
    let (url, served) = server(&[(404, "{}"), (200, r#"{"status":"OK"}"#)]);
    assert!(is_ok(&settled(&url, &Login::Wrong("x".into()), deadline(), is_ok).unwrap()));
    assert_eq!(served.join().unwrap(), 2);
    let (url, served) = server(&[(200, "[]"), (200, r#"[{"title":"Overview"}]"#)]);
    let seen =
        settled(&url, &Login::Wrong("x".into()), deadline(), |answer| !titles(answer).is_empty()).unwrap();
    assert_eq!((titles(&seen), served.join().unwrap()), (vec!["Overview".to_owned()], 2));

    let (url, served) = server(&[(401, "{}")]);
    assert_eq!(
        settled(&url, &Login::Wrong("x".into()), deadline(), |_| false).unwrap().status,
        401,
        "asked once"
    );
    served.join().unwrap();
    let (url, _) = server(&[(404, "{}"), (404, "{}"), (404, "{}"), (404, "{}"), (404, "{}")]);
    let short = Deadline::after(Duration::from_secs(3));
    assert_eq!(
        settled(&url, &Login::Wrong("x".into()), short, |_| false).unwrap().status,
        404,
        "the last answer is told"
    );
}

/// All panels of all dashboards, with the monitoring of the host.
fn panels() -> Vec<Value> {
    let mut env = environment();
    env.choices.monitoring = true;
    let files = service(&env).unwrap().files.into_iter().filter(|file| file.path.contains("/torrust/"));
    let boards = files.map(|file| serde_json::from_slice::<Value>(&file.bytes).unwrap());
    boards.flat_map(|board| board["panels"].as_array().unwrap().clone()).collect()
}

/// A tracker's counter is absent until its first event; `or on()` adds the 0 only where there is nothing else, whatever
/// the labels. Where Prometheus reads nothing there is no 0 either.
#[test]
fn what_was_never_counted_reads_as_0() {
    let mut counters = 0;
    for panel in panels() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            if query.contains("udp_tracker_")
                || query.contains("http_tracker_")
                || query.contains("tracker_core_")
            {
                assert!(query.ends_with(r#" or on() 0 * min(up{job="tracker_metrics"} == 1)"#), "{query}");
                counters += 1;
            }
        }
    }
    assert_eq!(counters, 19);
}

/// Grafana leaves out what a series does not have, as `public_url` without a domain; what remains has to be a name.
#[test]
fn every_series_has_a_legend_also_without_labels() {
    let mut with_url = 0;
    for panel in panels() {
        for target in panel["targets"].as_array().unwrap() {
            let legend = target["legendFormat"].as_str().unwrap();
            with_url += usize::from(legend.contains("{{public_url}}"));
            let query = target["expr"].as_str().unwrap();
            assert_eq!(query.contains("public_url"), legend.contains("{{public_url}}"), "{query}");
            assert!(!legend.is_empty(), "{query}");
            assert!(!legend.starts_with('{') || legend == "{{mountpoint}}", "{legend}");
        }
    }
    assert_eq!(with_url, 17);
}
