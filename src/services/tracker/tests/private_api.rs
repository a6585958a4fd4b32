//! An API that is for the host alone.

use super::*;

#[test]
fn an_api_on_loopback_is_published_for_the_host_alone() {
    for (address, inside) in [("127.0.0.1:1212", "0.0.0.0:1212"), ("[::1]:1212", "0.0.0.0:1212")] {
        let mut env = environment();
        env.config.prometheus = Some(config::Prometheus { scrape_interval_in_secs: 15 });
        env.config.tracker.http_api.as_mut().unwrap().bind_address = address.parse().unwrap();
        let text = release(&env);
        assert!(text.contains("- \"127.0.0.1:1212:1212/tcp\""), "{address}: {text}");
        // In its container it is there for Prometheus, too.
        assert!(text.contains(&format!("[http_api]\nbind_address = \"{inside}\"")), "{address}: {text}");
        assert!(crate::services::published(&env.config).iter().all(|port| port.number != 1212));
        let api = endpoints(&env.config).into_iter().find(|one| one.kind == "API").unwrap();
        assert_eq!(api.url("192.0.2.7"), "http://127.0.0.1:1212/api");
        let forward = api.forward("ssh me@192.0.2.7").unwrap();
        assert_eq!(forward, "ssh me@192.0.2.7 -N -L 1212:127.0.0.1:1212");
        let host = self::host(None);
        let checks = checks(&env.config, &host, &nowhere()).unwrap();
        let of_api: Vec<_> = checks.iter().filter(|check| check.name.starts_with("API")).collect();
        assert!(of_api.len() == 3 && of_api.iter().all(|check| check.over_ssh));
    }
    let mut env = environment();
    env.config.tracker.http_api.as_mut().unwrap().bind_address = "0.0.0.0:1212".parse().unwrap();
    let checks = checks(&env.config, &host(None), &nowhere()).unwrap();
    let over_ssh: Vec<_> =
        checks.iter().filter(|check| check.over_ssh).map(|check| check.name.as_str()).collect();
    assert_eq!(over_ssh, ["API 1212: figures with the token"], "of a public API only what has a secret");
}
