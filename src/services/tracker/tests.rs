use std::path::Path;

use serde_json::json;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, HttpTracker as ConfiguredHttp, ProviderKind, Secret, UdpTracker};
use crate::services::{Protocol, Reach};
use crate::store::Choices;

mod private_api;

/// The short form's environment, with a token that is the same in every run.
fn environment() -> Environment {
    let name = "demo".parse().unwrap();
    let mut config =
        config::template(ProviderKind::Docker, &name, Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    let api = config.tracker.http_api.as_mut().unwrap();
    api.admin_token = Secret::Literal("MyAccessToken".into());
    api.bind_address = "0.0.0.0:1212".parse().unwrap();
    Environment::new(config, Choices::default())
}

fn several_trackers() -> Environment {
    let mut env = environment();
    let tracker = &mut env.config.tracker;
    tracker.core.private = true;
    let udp = |address: &str| UdpTracker::at(address.parse().unwrap());
    tracker.udp_trackers = vec![udp("0.0.0.0:6969"), udp("[::]:6868"), udp("127.0.0.1:6767")];
    let http = |address: &str, domain: Option<&str>| ConfiguredHttp {
        domain: domain.map(Into::into),
        ..ConfiguredHttp::at(address.parse().unwrap())
    };
    tracker.http_trackers =
        vec![http("0.0.0.0:7070", Some("tracker.example.org")), http("0.0.0.0:7071", None)];
    tracker.health_check_api.bind_address = "0.0.0.0:1313".parse().unwrap();
    env
}

/// All files of a release, one below the other.
fn release(env: &Environment) -> String {
    let show = |file: &HostFile| {
        format!("==> {} {} <==\n{}", file.path, file.mode, String::from_utf8_lossy(&file.bytes))
    };
    Bundle::of(env).unwrap().files.iter().map(show).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_release_of_a_minimal_configuration() {
    insta::assert_snapshot!(release(&environment()));
}

#[test]
fn the_release_of_several_trackers() {
    insta::assert_snapshot!(release(&several_trackers()));
}

#[test]
fn what_listens_on_loopback_is_neither_published_nor_shown() {
    let mut env = several_trackers();
    env.config.tracker.core.private = false;
    let ports: Vec<u16> = ports(&env.config).iter().map(|port| port.number).collect();
    assert_eq!(ports, [6969, 6868, 7070, 7071, 1212, 1313]);
    assert!(endpoints(&env.config).iter().all(|endpoint| endpoint.port != 6767));
    let ports: Vec<u16> = super::ports(&environment().config).iter().map(|port| port.number).collect();
    assert_eq!(ports, [6969, 7070, 1212], "the health check listens on loopback");
}

fn nowhere() -> Relay {
    Relay::new(|_, _| Err("no host".into()))
}

fn host(address_v6: Option<&str>) -> Host {
    let host =
        json!({ "origin": "registered", "address": "127.0.0.1", "address_v6": address_v6, "port": 22 });
    serde_json::from_value(host).unwrap()
}

#[test]
fn a_host_without_ipv6_is_asked_for_none() {
    let mut env = environment();
    let file = |env: &Environment, path: &str| {
        let file = Bundle::of(env).unwrap().files.into_iter().find(|file| file.path == path).unwrap();
        String::from_utf8(file.bytes).unwrap()
    };
    let both =
        |env: &Environment| file(env, "docker-compose.yml") + &file(env, "storage/tracker/etc/tracker.toml");
    assert!(both(&env).contains("enable_ipv6") && both(&env).contains("\"[::]:6969\""));
    env.host = Some(Host { without_ipv6: true, ..host(None) });
    let text = both(&env);
    for word in ["enable_ipv6", "subnet", "net.ipv6", "[::]"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("\"0.0.0.0:6969\""), "{text}");
}

#[test]
fn the_health_check_is_asked_over_the_family_that_it_listens_on() {
    let mut env = environment();
    for (address, asked) in [
        ("127.0.0.1:1313", "http://127.0.0.1:1313/health_check"),
        ("127.0.0.9:1313", "http://127.0.0.9:1313/health_check"),
        ("0.0.0.0:1313", "http://127.0.0.1:1313/health_check"),
        ("[::1]:1313", "http://[::1]:1313/health_check"),
        ("[::]:1414", "http://[::1]:1414/health_check"),
    ] {
        env.config.tracker.health_check_api.bind_address = address.parse().unwrap();
        assert_eq!(container(&env).health[1], asked, "{address}");
    }
}

#[test]
fn what_listens_over_ipv6_alone_is_asked_there_alone() {
    let mut env = environment();
    let api = |env: &Environment| endpoints(&env.config).into_iter().find(|one| one.kind == "API").unwrap();
    let host = host(Some("::1"));
    assert_eq!(api(&env).address(&host), "127.0.0.1");
    env.config.tracker.http_api.as_mut().unwrap().bind_address = "[::]:1212".parse().unwrap();
    assert_eq!(api(&env).address(&host), "::1");
    assert_eq!(api(&env).out_of_reach(&host), None);
    let names: Vec<_> = checks(&env.config, &self::host(None), &nowhere())
        .unwrap()
        .into_iter()
        .map(|check| check.name)
        .collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("API")).collect::<Vec<_>>(), ["API 1212"]);
    assert!(api(&env).out_of_reach(&self::host(None)).unwrap().contains("IPv6 alone"));
}

#[test]
fn what_listens_over_ipv4_alone_cannot_be_asked_on_a_host_of_an_ipv6_address() {
    let mut env = environment();
    let host = Host { address: "2001:db8::7".into(), ..host(Some("2001:db8::7")) };
    let api = |env: &Environment| endpoints(&env.config).into_iter().find(|one| one.kind == "API").unwrap();
    let why = api(&env).out_of_reach(&host).unwrap();
    assert!(why.contains("IPv4 alone") && why.contains("\"[::]:1212\""), "{why}");
    let names: Vec<_> =
        checks(&env.config, &host, &nowhere()).unwrap().into_iter().map(|check| check.name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("API")).collect::<Vec<_>>(), ["API 1212"]);
    env.config.tracker.http_api.as_mut().unwrap().bind_address = "[::]:1212".parse().unwrap();
    assert!(!api(&env).out_of_reach(&host).is_some_and(|why| why.contains("alone")));
}

#[test]
fn the_same_port_number_over_both_protocols_is_two_ports() {
    let mut env = environment();
    env.config.tracker.udp_trackers[0].bind_address = "0.0.0.0:7070".parse().unwrap();
    let found = ports(&env.config);
    assert_eq!(
        found[..2],
        [
            Port { number: 7070, protocol: Protocol::Udp, reach: Reach::Everywhere },
            Port { number: 7070, protocol: Protocol::Tcp, reach: Reach::Everywhere },
        ]
    );
}

#[test]
fn a_private_tracker_has_no_udp_trackers() {
    let env = several_trackers();
    assert!(env.config.tracker.core.private);
    assert!(ports(&env.config).iter().all(|port| port.protocol == Protocol::Tcp));
    assert!(endpoints(&env.config).iter().all(|endpoint| endpoint.scheme == "http"));
}

#[test]
fn an_endpoint_has_its_domain_or_the_hosts_address() {
    let mut env = several_trackers();
    env.config.tracker.core.private = false;
    let urls: Vec<String> = endpoints(&env.config).iter().map(|endpoint| endpoint.url("192.0.2.7")).collect();
    assert_eq!(
        urls,
        [
            "udp://192.0.2.7:6969/announce",
            "udp://192.0.2.7:6868/announce",
            "http://tracker.example.org:7070/announce",
            "http://192.0.2.7:7071/announce",
            "http://192.0.2.7:1212/api",
            "http://192.0.2.7:1313/health_check",
        ]
    );
    assert_eq!(endpoints(&env.config)[0].url("2001:db8::1"), "udp://[2001:db8::1]:6969/announce");
}

#[test]
fn a_chosen_tag_takes_the_place_of_tag_and_digest_but_not_of_a_registrys_port() {
    let digest = format!("torrust/tracker@sha256:{}", "0".repeat(64));
    let cases = [
        ("torrust/tracker:develop", "torrust/tracker:v3"),
        ("torrust/tracker", "torrust/tracker:v3"),
        ("tracker", "tracker:v3"),
        ("registry.example.org:5000/torrust/tracker", "registry.example.org:5000/torrust/tracker:v3"),
        ("registry.example.org:5000/torrust/tracker:develop", "registry.example.org:5000/torrust/tracker:v3"),
        (&digest, "torrust/tracker:v3"),
    ];
    for (configured, wanted) in cases {
        let mut env = environment();
        env.config.images.tracker = configured.into();
        assert_eq!(env.tracker_reference(), configured);
        env.choices.image_tag = Some("v3".into());
        assert_eq!(env.tracker_reference(), wanted);
    }
}

#[test]
fn the_users_own_tracker_toml_is_taken_as_it_is() {
    let mut env = environment();
    env.choices.tracker_toml = Some("# mine\n".into());
    assert_eq!(service(&env).unwrap().files[0].bytes, b"# mine\n");
}

#[test]
fn a_new_tracker_toml_makes_a_new_container() {
    let mut env = environment();
    let before = release(&env);
    env.choices.tracker_toml = Some("# mine\n".into());
    let label = |text: &str| text.lines().find(|line| line.contains("deployer.files")).unwrap().to_owned();
    assert_ne!(label(&before), label(&release(&env)));
}

#[test]
fn the_token_is_in_no_file_but_the_one_for_secrets() {
    let bundle = Bundle::of(&environment()).unwrap();
    let holding: Vec<_> = bundle
        .files
        .iter()
        .filter(|file| String::from_utf8_lossy(&file.bytes).contains("MyAccessToken"))
        .map(|file| (file.path.as_str(), file.mode))
        .collect();
    assert_eq!(holding, [(".env", "0600")]);
}

#[test]
fn any_token_survives_toml_and_the_env_file() {
    let mut env = environment();
    env.config.tracker.http_api.as_mut().unwrap().admin_token =
        Secret::Literal(r#"a"b\c$d'e #f ${g}"#.into());
    let env_file = Bundle::of(&env).unwrap().files.into_iter().find(|file| file.path == ".env").unwrap();
    let text = String::from_utf8(env_file.bytes).unwrap();
    let line = text.lines().find(|line| line.contains("ACCESS_TOKENS__ADMIN")).unwrap();
    // As Compose reads it: double quotes, with a backslash before what would mean something.
    let (_, value) = line.split_once('=').unwrap();
    let inner = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
    let mut read = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        assert!(!matches!(character, '"' | '$'), "unescaped: {inner}");
        read.push(if character == '\\' { characters.next().unwrap() } else { character });
    }
    let token: toml::Table = format!("token = {read}").parse().unwrap();
    assert_eq!(token["token"].as_str(), Some(r#"a"b\c$d'e #f ${g}"#));
}

/// Trackers answer for the first 74 torrents of a scrape over UDP, and for the first 100 over HTTP, and are silent of the rest.
#[test]
fn visit_scrapes_one_torrent() {
    use crate::probe::swarm::{Announced, Scraped};
    #[derive(Default)]
    struct Recorder(std::cell::RefCell<Vec<usize>>);
    impl Tracker for Recorder {
        fn announce(&self, _: &Announce, _: Deadline) -> Result<Announced, Fault> {
            let interval = std::time::Duration::from_mins(5);
            Ok(Announced { interval, seeders: 1, leechers: 0, peers: vec![] })
        }
        fn scrape(&self, torrents: &[InfoHash], _: Deadline) -> Result<Vec<Scraped>, Fault> {
            self.0.borrow_mut().push(torrents.len());
            Ok(vec![Scraped { seeders: 1, completed: 0, leechers: 0 }; torrents.len()])
        }
    }
    let recorder = Recorder::default();
    visit(&recorder, Deadline::after(std::time::Duration::from_secs(1))).unwrap();
    assert_eq!(*recorder.0.borrow(), [1]);
}

/// A file that sets everything, as the tracker gets it.
fn settings() -> Environment {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/valid/settings.json");
    let mut config: Config = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (pointer, secret) in config.secrets_mut() {
        *secret = Secret::Literal(format!("secret of {}", pointer.rsplit('/').next().unwrap()));
    }
    Environment::new(config, Choices::default())
}

/// The tracker's file and variables.
fn given(env: &Environment) -> String {
    let service = service(env).unwrap();
    let variables =
        service.env.iter().fold(String::new(), |all, (name, value)| all + &format!("{name}={value}\n"));
    let file = String::from_utf8(service.files[0].bytes.clone()).unwrap();
    file.parse::<toml::Table>().unwrap();
    format!("{file}\n==> variables <==\n{variables}")
}

#[test]
fn every_setting_in_schema_3_0_0() {
    insta::assert_snapshot!(given(&settings()));
}

#[test]
fn every_setting_that_schema_2_0_0_has() {
    let mut env = settings();
    env.config.tracker.schema = config::SchemaChoice::V2;
    let refused = service(&env).unwrap_err();
    let tracker = &mut env.config.tracker;
    (tracker.logging.style, tracker.core.announce_policy.max_peers_per_announce) = (None, None);
    tracker.udp_tracker_server = config::UdpTrackerServer::default();
    tracker.udp_trackers[0].cookie_lifetime_in_secs = None;
    tracker.http_trackers.truncate(1);
    tracker.http_trackers[0].use_ip_from_query_string = None;
    insta::assert_snapshot!(format!("{}\n{}\n\n{}", refused, refused.causes().join("\n"), given(&env)));
}

#[test]
fn without_database_and_api_nothing_of_them_is_sent() {
    let mut env = environment();
    env.config.tracker.core.database = None;
    env.config.tracker.http_api = None;
    let given = given(&env);
    assert!(!given.contains("DATABASE") && !given.contains("ACCESS_TOKENS"), "{given}");
    assert!(!given.contains("[core.database]") && !given.contains("[http_api]"), "{given}");
    assert!(given.contains("persistent_torrent_completed_stat = false"), "{given}");
    env.config.images.tracker = "torrust/tracker:3.0.0".into();
    assert!(service(&env).unwrap_err().causes()[0].starts_with("tracker.core.database: "));
}

#[test]
fn a_server_is_told_in_parts_or_by_its_address() {
    let mut env = environment();
    env.config.tracker.core.database = Some(config::Database::Mysql(config::Server {
        host: "fd00::1".into(),
        port: 3307,
        database_name: "0123".into(),
        username: "true".into(),
        password: Secret::Literal(r#"a"b\c % d"#.into()),
        root_password: None,
    }));
    let parts = given(&env);
    for variable in [
        "DRIVER=mysql",
        "HOST=\"[fd00::1]\"",
        "PORT=3307",
        "USER=\"true\"",
        r#"PASSWORD="a\"b\\c % d""#,
        "DATABASE=\"0123\"",
    ] {
        assert!(parts.contains(&format!("CORE__DATABASE__{variable}\n")), "{variable}: {parts}");
    }
    assert!(!parts.contains("__PATH"), "{parts}");
    env.config.images.tracker = "torrust/tracker:3.0.0".into();
    let whole = given(&env);
    assert!(whole.contains("__PATH=\"mysql://true:a%22b%5Cc%20%25%20d@[fd00::1]:3307/0123\"\n"), "{whole}");
}

#[test]
fn a_password_that_would_change_on_its_way_is_refused() {
    let mut env = environment();
    let server = |username: &str, password: &str| config::Server {
        host: "mysql".into(),
        port: 3306,
        database_name: "tracker".into(),
        username: username.into(),
        password: Secret::Literal(password.into()),
        root_password: None,
    };
    let mut refused = |username: &str, password: &str| {
        env.config.tracker.core.database = Some(config::Database::Mysql(server(username, password)));
        service(&env).err().map(|error| error.causes().join("\n"))
    };
    assert!(refused("a%41b", "100%").unwrap().starts_with("tracker.core.database.username: "));
    let why = refused("user", "x%fFy").unwrap();
    assert!(why.starts_with("tracker.core.database.password: ") && !why.contains("x%fFy"), "{why}");
    assert!(refused("user", "  ").unwrap().contains("blanks alone"));
    assert_eq!(refused("user", "100% sure"), None);
}

#[test]
fn an_older_copy_of_the_template_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tracker")).unwrap();
    std::fs::write(folder.path().join("tracker/tracker.toml.j2"), "").unwrap();
    let mut env = environment();
    env.choices.templates = Some(folder.path().to_owned());
    assert!(service(&env).unwrap_err().helps()[0].contains("tracker-3.0.0.toml.j2"));
}
