//! The tracker's own settings: the `tracker` section.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;
use super::secret::Secret;

/// The tracker's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracker {
    /// Database and mode.
    pub core: Core,
    /// The UDP trackers.
    pub udp_trackers: Vec<UdpTracker>,
    /// The HTTP trackers; all agree on `use_tls_proxy`.
    pub http_trackers: Vec<HttpTracker>,
    /// The management API.
    pub http_api: HttpApi,
    /// The address that answers whether the tracker is well.
    #[serde(default)]
    pub health_check_api: HealthCheckApi,
}

impl Tracker {
    /// Whether the HTTP trackers are behind the TLS proxy: the tracker has one setting for all of them.
    pub fn on_reverse_proxy(&self) -> bool {
        self.http_trackers.iter().any(HttpTracker::tls)
    }
}

/// Database and mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "CoreForm")]
#[schemars(with = "CoreForm")]
pub struct Core {
    /// Where the tracker keeps its data.
    pub database: Database,
    /// Whether only peers with a key may announce.
    pub private: bool,
}

/// Database and mode, as files have it: `database`, or in older ones `database_name` alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Core", extend("oneOf" = [{"required": ["database"]}, {"required": ["database_name"]}]))]
struct CoreForm {
    /// Where the tracker keeps its data.
    #[serde(default)]
    #[schemars(with = "Database")]
    database: Option<Database>,
    /// The older form of `database`: the file name of an SQLite database.
    #[serde(default)]
    #[schemars(schema_with = "formats::sqlite_name")]
    database_name: Option<String>,
    /// Whether only peers with a key may announce.
    private: bool,
}

impl TryFrom<CoreForm> for Core {
    type Error = &'static str;

    fn try_from(form: CoreForm) -> Result<Self, Self::Error> {
        let database = match (form.database, form.database_name) {
            (Some(database), None) => database,
            (None, Some(database_name)) => Database::Sqlite3(Sqlite { database_name }),
            _ => return Err("give either `database` or `database_name`"),
        };
        Ok(Self { database, private: form.private })
    }
}

/// Where the tracker keeps its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "driver", rename_all = "lowercase")]
pub enum Database {
    /// A file beside the tracker.
    Sqlite3(Sqlite),
    /// A MySQL server in the stack.
    Mysql(Mysql),
}

impl Database {
    /// The MySQL settings, where the database is MySQL.
    pub fn mysql(&self) -> Option<&Mysql> {
        match self {
            Self::Mysql(mysql) => Some(mysql),
            Self::Sqlite3(_) => None,
        }
    }
}

/// A database in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The file's name.
    #[schemars(schema_with = "formats::sqlite_name")]
    pub database_name: String,
}

/// A MySQL database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mysql {
    /// The server's name in the stack's own network: `mysql`. There is no other server to choose.
    #[schemars(schema_with = "formats::mysql_host")]
    pub host: String,
    /// The port that the server listens on in that network; it is not published.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The database's name.
    #[schemars(schema_with = "formats::mysql_database")]
    pub database_name: String,
    /// The tracker's user in the database.
    #[schemars(schema_with = "formats::mysql_user")]
    pub username: String,
    /// That user's password.
    pub password: Secret,
    /// The administrator's password; when absent one is made at random that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_password: Option<Secret>,
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
}

/// The management API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpApi {
    /// Address and port inside the container; the host publishes the same port, unless a proxy stands in front.
    /// `0.0.0.0` means IPv4 alone and `[::]` IPv6 alone: the API has one address.
    #[schemars(schema_with = "formats::bind_address")]
    pub bind_address: SocketAddr,
    /// The token that opens the API.
    pub admin_token: Secret,
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

impl HttpTracker {
    /// Whether the tracker is behind the TLS proxy.
    pub fn tls(&self) -> bool {
        self.use_tls_proxy == Some(true)
    }
}
