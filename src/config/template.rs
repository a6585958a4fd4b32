//! A complete, valid example: what `create template` prints and `create NAME` stores.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{
    Config, Core, Database, Docker, Environment, EnvironmentName, HealthCheckApi, Hetzner, HttpApi,
    HttpTracker, Images, Logging, Lxd, Provider, ProviderKind, SchemaChoice, Secret, Sqlite, SshCredentials,
    Tracker, UdpTracker, UdpTrackerServer,
};
use crate::error::{Code, Error, Result};

/// A configuration for a new environment: every service that needs no name in DNS, with secrets of its own.
pub fn template(provider: ProviderKind, name: &EnvironmentName, key: &Path) -> Result<Config> {
    Ok(Config {
        schema: None,
        environment: Environment { name: name.clone(), description: None, instance_name: None },
        ssh_credentials: SshCredentials {
            public_key_path: public_half(key),
            private_key_path: key.to_owned(),
            username: "torrust".into(),
            port: 22,
        },
        provider: provider_section(provider, name),
        tracker: tracker_section()?,
        prometheus: None,
        grafana: None,
        https: None,
        backup: None,
        images: Images::default(),
    })
}

/// The public key lies beside the private one, as `ssh-keygen` leaves it.
fn public_half(key: &Path) -> PathBuf {
    let mut public = key.as_os_str().to_owned();
    public.push(".pub");
    public.into()
}

fn provider_section(kind: ProviderKind, name: &EnvironmentName) -> Provider {
    match kind {
        ProviderKind::Docker => Provider::Docker(Docker::default()),
        ProviderKind::Lxd => Provider::Lxd(Lxd::with_profile(format!("torrust-profile-{name}"))),
        ProviderKind::Hetzner => Provider::Hetzner(Hetzner {
            api_token: Secret::Variable("HCLOUD_TOKEN".into()),
            server_type: "cx23".into(),
            location: "nbg1".into(),
            image: "ubuntu-24.04".into(),
        }),
    }
}

fn tracker_section() -> Result<Tracker> {
    let everywhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    Ok(Tracker {
        schema: SchemaChoice::default(),
        core: Core::new(Some(Database::Sqlite3(Sqlite { database_name: "tracker.db".into() })), false),
        logging: Logging::default(),
        udp_tracker_server: UdpTrackerServer::default(),
        udp_trackers: vec![UdpTracker::at(everywhere(6969))],
        http_trackers: vec![HttpTracker::at(everywhere(7070))],
        http_api: Some(HttpApi {
            bind_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1212)),
            admin_token: random_secret()?,
            access_tokens: BTreeMap::new(),
            domain: None,
            use_tls_proxy: None,
        }),
        health_check_api: HealthCheckApi::default(),
    })
}

/// 32 random letters and digits: some 190 bits, and nothing that a shell, a URL or SQL would have to quote.
pub fn random_secret() -> Result<Secret> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(32);
    while text.len() < 32 {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes)
            .map_err(|cause| Error::new(Code::Internal, "the system gives no random numbers").why(cause))?;
        // Six bits of each byte; values past the alphabet are dropped, so that each character is equally likely.
        let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        text.extend(characters.take(32 - text.len()).map(|byte| char::from(*byte)));
    }
    Ok(Secret::Literal(text))
}
