//! The configuration as the program sees it: one type for each section of the user's file.
//!
//! These types are the only description of the format: the JSON Schema, the check of a file's shape and
//! the stored form are all made from them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;
use super::images::Images;
use super::name::EnvironmentName;
use super::provider::Provider;
use super::secret::Secret;
use super::tracker::{Database, Tracker};
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::input;

/// The description of one environment: a BitTorrent tracker on one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Torrust Tracker environment")]
pub struct Config {
    /// The schema that an editor checks this file against; the deployer has its own and ignores it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The environment's name and purpose.
    pub environment: Environment,
    /// How to reach the host over SSH.
    pub ssh_credentials: SshCredentials,
    /// Where the host runs.
    pub provider: Provider,
    /// The tracker's own settings.
    pub tracker: Tracker,
    /// Metrics. Without this section there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// Dashboards over the metrics; needs `prometheus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grafana: Option<Grafana>,
    /// The TLS proxy; needed as soon as one `use_tls_proxy` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<Https>,
    /// Regular backups of database and configuration. Without this section there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// The container images, for a private mirror or another version. One that is not given is what each version of the
    /// deployer has: a newer deployer brings newer ones with its next release.
    #[serde(default, skip_serializing_if = "Images::are_defaults")]
    pub images: Images,
}

/// The environment's name and purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The name used in every command.
    pub name: EnvironmentName,
    /// What the environment is for, in your own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The name of the host at its provider; `torrust-tracker-vm-<name>` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::instance_name")]
    pub instance_name: Option<String>,
}

/// How to reach the host over SSH.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshCredentials {
    /// The private key's file; `~` is your home folder.
    #[schemars(schema_with = "formats::path")]
    pub private_key_path: PathBuf,
    /// The public key's file; `~` is your home folder.
    #[schemars(schema_with = "formats::path")]
    pub public_key_path: PathBuf,
    /// The user on the host; it must be allowed to use sudo without a password.
    #[serde(default = "default_username")]
    #[schemars(schema_with = "formats::username")]
    pub username: String,
    /// The port that `ssh` connects to.
    #[serde(default = "default_ssh_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// How often the tracker's figures are read, in seconds.
    #[serde(default = "default_scrape_interval")]
    #[schemars(range(min = 1, max = 3600))]
    pub scrape_interval_in_secs: u32,
}

/// Dashboards over the metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grafana {
    /// The administrator's name; Grafana takes it at its first start alone.
    #[schemars(schema_with = "formats::grafana_user")]
    pub admin_user: String,
    /// The administrator's password, also when it was changed in Grafana: each start of Grafana puts this one in place.
    pub admin_password: Secret,
    /// The name that users type to reach the dashboards.
    #[serde(default, deserialize_with = "formats::lower_case", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::domain")]
    pub domain: Option<String>,
    /// Whether the dashboards are behind the TLS proxy, under `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_tls_proxy: Option<bool>,
}

/// The TLS proxy and where its certificates come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Https {
    /// Where the certificate authority sends its warnings.
    #[schemars(schema_with = "formats::email")]
    pub admin_email: String,
    /// Use Let's Encrypt's staging service: generous limits, certificates that browsers do not trust.
    #[serde(default)]
    pub use_staging: bool,
    /// `letsencrypt` (the default), `internal` (the proxy's own authority, for a LAN or to try it out) or the https
    /// address of any ACME directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::authority")]
    pub ca: Option<Authority>,
    /// Root certificates (a PEM file) of the authority that `ca` names by the address of its ACME directory, used for two
    /// things: the proxy trusts them when it talks to the directory over TLS, and this program when it checks the
    /// certificates that were issued. An authority with a root for each needs both in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::optional_path")]
    pub ca_root: Option<PathBuf>,
    /// The root certificate of the proxy's own authority, as it was read from the host; never stored.
    #[serde(skip)]
    pub own_root: Option<String>,
}

impl Https {
    /// The root certificates, in PEM form, that stand in for those which every machine knows.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn root(&self) -> Result<Option<String>> {
        let Some(file) = &self.ca_root else { return Ok(self.own_root.clone()) };
        let text = input::read_text(file).map_err(|cause| {
            let what = format!("the root certificate {} cannot be read", file.display());
            Error::new(Code::ConfigInvalid, what).why(cause).help("put it back: https.ca_root names it")
        })?;
        Ok(Some(text))
    }
}

/// Who signs the certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Authority {
    /// Let's Encrypt.
    #[default]
    LetsEncrypt,
    /// The proxy's own authority.
    Internal,
    /// Any ACME directory, by its address.
    Directory(String),
}

impl From<String> for Authority {
    fn from(text: String) -> Self {
        match text.as_str() {
            "letsencrypt" => Self::LetsEncrypt,
            "internal" => Self::Internal,
            _ => Self::Directory(text),
        }
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        match authority {
            Authority::LetsEncrypt => "letsencrypt".into(),
            Authority::Internal => "internal".into(),
            Authority::Directory(url) => url,
        }
    }
}

/// Regular backups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// When: minute, hour, day of month, month, day of week, as in a crontab.
    #[serde(default = "default_schedule")]
    #[schemars(schema_with = "formats::schedule")]
    pub schedule: String,
    /// How many days a backup is kept.
    #[serde(default = "default_retention")]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: u32,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { scrape_interval_in_secs: default_scrape_interval() }
    }
}

impl Default for Backup {
    fn default() -> Self {
        Self { schedule: default_schedule(), retention_days: default_retention() }
    }
}

/// The longest host name that DNS and every provider take.
const HOST_NAME_LIMIT: usize = 63;

impl Config {
    /// The environment's name.
    pub fn name(&self) -> &EnvironmentName {
        &self.environment.name
    }

    /// The host's name at its provider: the user's, or one made from the environment's name.
    pub fn instance_name(&self) -> String {
        if let Some(name) = &self.environment.instance_name {
            return name.clone();
        }
        let full = format!("torrust-tracker-vm-{}", self.name());
        if full.len() <= HOST_NAME_LIMIT {
            return full;
        }
        // Two long names may begin alike: the digest keeps their hosts apart.
        let head = full[..HOST_NAME_LIMIT - 9].trim_end_matches('-');
        format!("{head}-{}", &sha256(&full)[..8])
    }

    /// Every secret with its JSON pointer.
    pub fn secrets(&self) -> Vec<(String, Secret)> {
        let mut copy = self.clone();
        copy.secrets_mut().into_iter().map(|(pointer, secret)| (pointer, secret.clone())).collect()
    }

    /// Every secret with its JSON pointer, to be changed.
    pub fn secrets_mut(&mut self) -> Vec<(String, &mut Secret)> {
        let mut all = vec![];
        if let Some(api) = &mut self.tracker.http_api {
            all.push(("/tracker/http_api/admin_token".to_owned(), &mut api.admin_token));
            let tokens = api.access_tokens.iter_mut();
            all.extend(
                tokens.map(|(label, token)| (format!("/tracker/http_api/access_tokens/{label}"), token)),
            );
        }
        if let Provider::Hetzner(hetzner) = &mut self.provider {
            all.push(("/provider/api_token".into(), &mut hetzner.api_token));
        }
        if let Some(Database::Mysql(server) | Database::Postgresql(server)) = &mut self.tracker.core.database
        {
            all.push(("/tracker/core/database/password".into(), &mut server.password));
            let root = server.root_password.iter_mut();
            all.extend(root.map(|root| ("/tracker/core/database/root_password".into(), root)));
        }
        let grafana = self.grafana.iter_mut();
        all.extend(grafana.map(|grafana| ("/grafana/admin_password".into(), &mut grafana.admin_password)));
        all
    }
}

fn default_username() -> String {
    "torrust".into()
}

fn default_ssh_port() -> u16 {
    22
}

fn default_scrape_interval() -> u32 {
    15
}

fn default_schedule() -> String {
    "0 3 * * *".into()
}

fn default_retention() -> u32 {
    7
}
