//! The section `tracker.core`: database, mode and policies.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::{Database, Server, Sqlite, is_default};
use crate::config::formats;

/// The longest announce interval: clients and later trackers keep it in 32 bits with a sign.
const LONGEST_INTERVAL: u32 = i32::MAX.cast_unsigned();
/// What existing trackers have, and the least that newTrackon lists.
const USUAL_INTERVAL: u32 = 300;

/// Database, mode and policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(transform = older_form)]
pub struct Core {
    /// Where the tracker keeps its data; null for a public tracker that keeps none.
    #[serde(deserialize_with = "formats::given")]
    #[schemars(with = "Option<Database>")]
    pub database: Option<Database>,
    /// Whether only torrents on the whitelist are tracked; needs a database.
    #[serde(default, skip_serializing_if = "is_default")]
    pub listed: bool,
    /// Whether only peers with a key may announce; needs a database.
    pub private: bool,
    /// Settings of a private tracker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub private_mode: PrivateMode,
    /// What clients are told about their announces.
    #[serde(default, skip_serializing_if = "is_default")]
    pub announce_policy: AnnouncePolicy,
    /// What the tracker keeps of peers and torrents.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tracker_policy: TrackerPolicy,
    /// How often peers that timed out are removed, in seconds; 0 for never, 600 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = u32::MAX))]
    pub inactive_peer_cleanup_interval: Option<u64>,
    /// Whether the tracker counts peers, torrents and downloads; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_usage_statistics: Option<bool>,
}

/// Settings of a private tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrivateMode {
    /// Whether a key opens no longer than until it expires; true when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_keys_expiration: Option<bool>,
}

/// What clients are told about their announces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnnouncePolicy {
    /// How often clients are to announce, in seconds; 300 when absent, less than which newTrackon does not list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_INTERVAL))]
    pub interval: Option<u32>,
    /// The shortest interval that clients may announce in, in seconds; when absent 300, or `interval` where that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_INTERVAL))]
    pub interval_min: Option<u32>,
    /// The most peers in one answer; 74 when absent. Images of schema 3.0.0 have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_peers_per_announce: Option<u32>,
}

/// What the tracker keeps of peers and torrents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrackerPolicy {
    /// How long a peer is kept after its last announce, in seconds; 900 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_peer_timeout: Option<u32>,
    /// Whether completed downloads are counted in the database; when absent true, false without a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_torrent_completed_stat: Option<bool>,
    /// Whether torrents without peers are removed; true when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_peerless_torrents: Option<bool>,
}

impl AnnouncePolicy {
    /// How often clients are to announce, in seconds.
    pub fn interval(&self) -> u32 {
        self.interval.unwrap_or(USUAL_INTERVAL)
    }

    /// The shortest interval that clients may announce in, in seconds.
    pub fn interval_min(&self) -> u32 {
        self.interval_min.unwrap_or(USUAL_INTERVAL.min(self.interval()))
    }
}

impl Core {
    /// A core with this database, and every setting as when it is absent.
    pub fn new(database: Option<Database>, private: bool) -> Self {
        Self {
            database,
            listed: false,
            private,
            private_mode: PrivateMode::default(),
            announce_policy: AnnouncePolicy::default(),
            tracker_policy: TrackerPolicy::default(),
            inactive_peer_cleanup_interval: None,
            tracker_usage_statistics: None,
        }
    }

    /// The database's file, where the database is `SQLite`.
    pub fn sqlite(&self) -> Option<&Sqlite> {
        match &self.database {
            Some(Database::Sqlite3(sqlite)) => Some(sqlite),
            _ => None,
        }
    }

    /// The stack's own MySQL server, where the database is on it.
    pub fn mysql(&self) -> Option<&Server> {
        match &self.database {
            Some(database @ Database::Mysql(server)) => (!database.is_external()).then_some(server),
            _ => None,
        }
    }

    /// The stack's own `PostgreSQL` server, where the database is on it.
    pub fn postgresql(&self) -> Option<&Server> {
        match &self.database {
            Some(database @ Database::Postgresql(server)) => (!database.is_external()).then_some(server),
            _ => None,
        }
    }

    /// The database, where it is on a server of the user's own.
    pub fn external(&self) -> Option<&Database> {
        self.database.as_ref().filter(|database| database.is_external())
    }

    /// Whether completed downloads are counted in the database.
    pub fn counts_completed(&self) -> bool {
        self.tracker_policy.persistent_torrent_completed_stat.unwrap_or(self.database.is_some())
    }
}

impl Serialize for Core {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Core {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = serde_json::Map::<String, Value>::deserialize(deserializer)?;
        if let Some(name) = given.remove("database_name") {
            let database = json!({ "driver": "sqlite3", "database_name": name });
            if given.insert("database".into(), database).is_some() {
                return Err(D::Error::custom("give either `database` or `database_name`"));
            }
        }
        Self::deserialize(Value::Object(given)).map_err(D::Error::custom)
    }
}

/// Older files have `database_name` in place of `database`.
fn older_form(schema: &mut Schema) {
    let mut name = formats::sqlite_name(&mut SchemaGenerator::default());
    name.insert(
        "description".into(),
        "The older form of `database`: the file name of an SQLite database.".into(),
    );
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("database_name".into(), name.into());
    }
    schema.insert("oneOf".into(), json!([{ "required": ["database"] }, { "required": ["database_name"] }]));
}
