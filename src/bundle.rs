//! A release as it travels: the rendered files of all services, a manifest of their checksums, and a tar stream.

use std::fmt::Write as _;

use serde_json::json;

use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::render::Templates;
use crate::services::{self, Container, HostFile, INTERNAL_NETWORKS, NETWORKS, Service};
use crate::store::Environment;

/// Everything that a release puts on the host.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The services, in the order of the Compose file.
    pub services: Vec<Service>,
    /// All files, in the order of their paths.
    pub files: Vec<HostFile>,
}

impl Bundle {
    /// Renders everything for this environment.
    ///
    /// # Errors
    /// A secret has no value, or a template does not fit.
    pub fn of(env: &Environment) -> Result<Self> {
        let services = services::all(env)?;
        let mut files: Vec<HostFile> = services.iter().flat_map(|service| service.files.clone()).collect();
        files.push(compose_file(env, &services)?);
        files.push(env_file(&services));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { services, files })
    }

    /// One line per folder (`dir MODE OWNER PATH`), systemd unit (`unit PATH`) and file (`SHA256 MODE OWNER PATH`), as
    /// `release.sh` reads it.
    #[must_use]
    pub fn manifest(&self) -> String {
        let mut manifest = String::new();
        for folder in self.services.iter().flat_map(|service| &service.folders) {
            let _ = writeln!(manifest, "dir {} {} {}", folder.mode, folder.owner, folder.path);
        }
        for unit in self.services.iter().flat_map(|service| &service.units) {
            let _ = writeln!(manifest, "unit {unit}");
        }
        for file in &self.files {
            let _ = writeln!(manifest, "{} {} {} {}", sha256(&file.bytes), file.mode, file.owner, file.path);
        }
        manifest
    }

    /// The named files as a tar stream.
    ///
    /// # Errors
    /// A path that tar cannot hold.
    pub fn tar(&self, paths: &[String]) -> Result<Vec<u8>> {
        let wanted = self.files.iter().filter(|file| paths.contains(&file.path));
        pack(wanted.map(|file| (file.path.as_str(), file)))
    }

    /// The containers of all services that have one.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        containers(&self.services)
    }
}

/// Files as a tar stream, each under a name of its own, for its owner alone.
///
/// # Errors
/// A name that tar cannot hold.
pub fn pack<'f>(files: impl IntoIterator<Item = (&'f str, &'f HostFile)>) -> Result<Vec<u8>> {
    let failed =
        |error: std::io::Error| Error::new(Code::Internal, "cannot pack what is to be sent").why(error);
    let mut tar = tar::Builder::new(vec![]);
    for (name, file) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, file.bytes.as_slice()).map_err(failed)?;
    }
    tar.into_inner().map_err(failed)
}

fn containers(services: &[Service]) -> impl Iterator<Item = &Container> {
    services.iter().filter_map(|service| service.container.as_ref())
}

fn compose_file(env: &Environment, services: &[Service]) -> Result<HostFile> {
    let blocks = services.iter().filter_map(|service| {
        let container = service.container.as_ref()?;
        let mut value = json!(container);
        value["digest"] = digest(service).into();
        let names = service.env.iter().map(|(name, _)| json!([name, in_env_file(container.name, name)]));
        value["environment"] = names.collect();
        Some(value)
    });
    let used = |network: &&&str| containers(services).any(|container| container.networks.contains(network));
    let networks = NETWORKS.iter().filter(used).map(|name| {
        json!({
            "name": name,
            "bridge": format!("br-torrust{}", number(name)),
            "internal": INTERNAL_NETWORKS.contains(name),
            "ipv6": env.has_ipv6().then(|| subnet(env, name)),
        })
    });
    let values = json!({ "services": blocks.collect::<Vec<_>>(), "networks": networks.collect::<Vec<_>>() });
    let templates = Templates::of(env)?;
    let bytes = templates.render("docker-compose/docker-compose.yml.j2", &values)?;
    Ok(HostFile { path: "docker-compose.yml".into(), mode: "0644", owner: 0, bytes })
}

/// A unique local prefix (RFC 4193) of the environment's own; older engines choose none by themselves.
fn subnet(env: &Environment, network: &str) -> String {
    let site = sha256(env.name.as_str());
    format!("fd{}:{}:{}:{:x}::/64", &site[..2], &site[2..6], &site[6..10], number(network))
}

/// The network's own number, from 1 on.
fn number(network: &str) -> usize {
    NETWORKS.iter().take_while(|name| **name != network).count() + 1
}

/// Two services may know the same name.
fn in_env_file(service: &str, name: &str) -> String {
    format!("{}_{name}", service.to_uppercase())
}

/// Changes exactly when one of the service's files does.
fn digest(service: &Service) -> String {
    let mut all = vec![];
    for file in &service.files {
        all.extend_from_slice(file.path.as_bytes());
        all.extend_from_slice(sha256(&file.bytes).as_bytes());
    }
    sha256(&all)[..16].to_owned()
}

fn env_file(services: &[Service]) -> HostFile {
    let mut text =
        String::from("# Secrets of the stack, for Docker Compose. Only root may read this file.\n");
    for service in services {
        let Some(container) = &service.container else { continue };
        for (name, value) in &service.env {
            let _ = writeln!(text, "{}={}", in_env_file(container.name, name), env_quote(value));
        }
    }
    HostFile { path: ".env".into(), mode: "0600", owner: 0, bytes: text.into_bytes() }
}

/// A value in Compose's `.env` syntax: between double quotes, with what Compose would read there escaped.
fn env_quote(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_for_compose() {
        assert_eq!(env_quote("plain"), r#""plain""#);
        assert_eq!(env_quote(r#"a"b\c$d'e #f"#), r#""a\"b\\c\$d'e #f""#);
    }
}
