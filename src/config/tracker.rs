//! The tracker's own settings: the `tracker` section.

mod core;
mod database;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::core::*;
pub use database::*;

use super::formats;
use super::secret::Secret;

/// The tracker's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracker {
    /// The schema of the tracker's own configuration file. `auto` takes the one that the image wants.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schema: SchemaChoice,
    /// Database, mode and policies.
    pub core: Core,
    /// What the tracker writes to its log.
    #[serde(default, skip_serializing_if = "is_default")]
    pub logging: Logging,
    /// Settings that all UDP trackers share; images of schema 3.0.0 have them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub udp_tracker_server: UdpTrackerServer,
    /// The UDP trackers.
    pub udp_trackers: Vec<UdpTracker>,
    /// The HTTP trackers; with schema 2.0.0 all agree on `use_tls_proxy`.
    pub http_trackers: Vec<HttpTracker>,
    /// The management API; null for none.
    #[serde(deserialize_with = "formats::given")]
    #[schemars(with = "formats::Nullable<HttpApi>")]
    pub http_api: Option<HttpApi>,
    /// The address that answers whether the tracker is well.
    #[serde(default)]
    pub health_check_api: HealthCheckApi,
}

impl Tracker {
    /// The `external_ip` of each UDP and each HTTP tracker.
    pub fn external_ips(&self) -> impl Iterator<Item = Option<IpAddr>> {
        let udp = self.udp_trackers.iter().map(|udp| udp.network.external_ip);
        udp.chain(self.http_trackers.iter().map(|http| http.network.external_ip))
    }
}

/// Whether a value is the one that an absent field has: such a field is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The schema of the tracker's own configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchemaChoice {
    /// The schema that the image wants.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// The schema of release 3.0.0.
    #[serde(rename = "2.0.0")]
    V2,
    /// The schema of images made since 2026-08-26.
    #[serde(rename = "3.0.0")]
    V3,
}

/// What the tracker writes to its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Logging {
    /// The least level that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: LogFilter,
    /// The form of a line; `full` when absent. Images of schema 3.0.0 have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<LogStyle>,
}

/// The least level that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFilter {
    /// Nothing.
    Off,
    /// Errors.
    Error,
    /// Warnings, too.
    Warn,
    /// What happens, too.
    #[default]
    Info,
    /// Details, too.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    /// One line with all its fields.
    Full,
    /// Several lines, for people.
    Pretty,
    /// One short line.
    Compact,
    /// One JSON object.
    Json,
}

/// Settings that all UDP trackers share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UdpTrackerServer {
    /// `strict` refuses and counts wrong connection ids; `disabled` takes any id and bans no one. `strict` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id_validation: Option<ConnectionIdValidation>,
    /// An IP address is banned after more wrong connection ids than this; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connection_id_errors_per_ip: Option<u32>,
    /// How often all bans are lifted, in seconds; 86400 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3600, max = u32::MAX))]
    pub ip_bans_reset_interval_in_secs: Option<u64>,
}

/// What happens to a wrong connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionIdValidation {
    /// It is refused and counted.
    Strict,
    /// It is taken.
    Disabled,
}

/// A UDP tracker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UdpTracker {
    /// Address and port inside the container; the host publishes the same port. `0.0.0.0` and `[::]` both mean IPv4 and IPv6.
    #[schemars(schema_with = "formats::bind_address")]
    pub bind_address: SocketAddr,
    /// The name that peers announce to.
    #[serde(default, deserialize_with = "formats::lower_case", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::domain")]
    pub domain: Option<String>,
    /// How long a connection id is valid, in seconds; 120 when absent. Images of schema 3.0.0 have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub cookie_lifetime_in_secs: Option<u32>,
    /// How the network reaches the tracker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: UdpNetwork,
}

/// How the network reaches a UDP tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UdpNetwork {
    /// The address that peers are told in place of a loopback peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::external_ip")]
    pub external_ip: Option<IpAddr>,
}

/// An HTTP tracker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTracker {
    /// Address and port inside the container; the host publishes the same port, unless a proxy stands in front.
    /// `0.0.0.0` and `[::]` both mean IPv4 and IPv6.
    #[schemars(schema_with = "formats::bind_address")]
    pub bind_address: SocketAddr,
    /// The name that peers announce to.
    #[serde(default, deserialize_with = "formats::lower_case", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::domain")]
    pub domain: Option<String>,
    /// Whether the tracker is behind the TLS proxy, under `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_tls_proxy: Option<bool>,
    /// Whether the tracker takes a peer's address from the query parameter `ip`: any client can then name any address.
    /// Without it an announce with that parameter is refused. Images of schema 3.0.0 have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_ip_from_query_string: Option<bool>,
    /// How the network reaches the tracker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: HttpNetwork,
}

/// How the network reaches an HTTP tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpNetwork {
    /// The address that peers are told in place of a loopback peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::external_ip")]
    pub external_ip: Option<IpAddr>,
    /// Whether a proxy of your own stands in front, which names each client's address in `X-Forwarded-For`; not needed
    /// with `use_tls_proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_reverse_proxy: Option<bool>,
}

/// The management API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpApi {
    /// Address and port. `127.0.0.1` publishes the port on the host's loopback alone, where SSH reaches it; `0.0.0.0` for
    /// everyone over IPv4, and `[::]` over IPv6, unless a proxy stands in front.
    #[schemars(schema_with = "formats::bind_address")]
    pub bind_address: SocketAddr,
    /// The token that opens the API.
    pub admin_token: Secret,
    /// More tokens, each under a label of its own; all of them have the same rights.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "formats::access_tokens")]
    pub access_tokens: BTreeMap<String, Secret>,
    /// The name that users type to reach the API.
    #[serde(default, deserialize_with = "formats::lower_case", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::domain")]
    pub domain: Option<String>,
    /// Whether the API is behind the TLS proxy, under `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_tls_proxy: Option<bool>,
}

/// The address that answers whether the tracker is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheckApi {
    /// Address and port inside the container; on loopback it is not published. `0.0.0.0` means IPv4
    /// alone and `[::]` IPv6 alone.
    #[schemars(schema_with = "formats::bind_address")]
    pub bind_address: SocketAddr,
    /// The name that users type to reach it.
    #[serde(deserialize_with = "formats::lower_case", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::domain")]
    pub domain: Option<String>,
    /// Whether it is behind the TLS proxy, under `domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_tls_proxy: Option<bool>,
}

impl Default for HealthCheckApi {
    fn default() -> Self {
        Self { bind_address: SocketAddr::from(([127, 0, 0, 1], 1313)), domain: None, use_tls_proxy: None }
    }
}

impl HttpApi {
    /// Where it listens in its container: the host could not publish what listens on loopback there.
    pub fn in_container(&self) -> SocketAddr {
        let (ip, port) = (self.bind_address.ip(), self.bind_address.port());
        if ip.is_loopback() { SocketAddr::from(([0, 0, 0, 0], port)) } else { self.bind_address }
    }
}

impl UdpTracker {
    /// One that listens there, with every setting as when it is absent.
    pub fn at(bind_address: SocketAddr) -> Self {
        let network = UdpNetwork::default();
        Self { bind_address, domain: None, cookie_lifetime_in_secs: None, network }
    }
}

impl HttpTracker {
    /// One that listens there, with every setting as when it is absent.
    pub fn at(bind_address: SocketAddr) -> Self {
        let network = HttpNetwork::default();
        Self { bind_address, domain: None, use_tls_proxy: None, use_ip_from_query_string: None, network }
    }

    /// Whether the tracker is behind the TLS proxy.
    pub fn tls(&self) -> bool {
        self.use_tls_proxy == Some(true)
    }

    /// Whether a proxy in front names each client's address, ours or another one.
    pub fn on_reverse_proxy(&self) -> bool {
        self.tls() || self.network.on_reverse_proxy == Some(true)
    }
}
