//! The section `tracker.core.database`.

use std::net::Ipv6Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::formats;
use crate::config::secret::Secret;

/// Where the tracker keeps its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "driver", rename_all = "lowercase")]
pub enum Database {
    /// A file beside the tracker.
    Sqlite3(Sqlite),
    /// A MySQL server, in the stack or elsewhere.
    Mysql(Server),
    /// A `PostgreSQL` server, in the stack or elsewhere.
    Postgresql(Server),
}

/// A database in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The file's name.
    #[schemars(schema_with = "formats::sqlite_name")]
    pub database_name: String,
}

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The server: `mysql` or `postgresql`, as the driver is called, for the stack's own, which is deployed with the
    /// tracker; else the name or address of a server of your own.
    #[schemars(schema_with = "formats::database_host")]
    pub host: String,
    /// The port that the server listens on; that of the stack's own server is not published.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The database's name.
    #[schemars(schema_with = "formats::database_name")]
    pub database_name: String,
    /// The tracker's user in the database.
    #[schemars(schema_with = "formats::database_user")]
    pub username: String,
    /// That user's password.
    pub password: Secret,
    /// The administrator's password of the stack's own server; when absent one is made at random that no one knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_password: Option<Secret>,
}

impl Server {
    /// The host as it stands in an address: one of IPv6 in brackets.
    pub fn address(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => self.host.clone(),
        }
    }
}

impl Database {
    /// The driver, in the tracker's words; also the name of the stack's own server.
    pub fn driver(&self) -> &'static str {
        match self {
            Self::Sqlite3(_) => "sqlite3",
            Self::Mysql(_) => "mysql",
            Self::Postgresql(_) => "postgresql",
        }
    }

    /// The server, in the stack or elsewhere; a file has none.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Sqlite3(_) => None,
            Self::Mysql(server) | Self::Postgresql(server) => Some(server),
        }
    }

    /// Whether it is on a server of the user's own.
    pub fn is_external(&self) -> bool {
        self.server().is_some_and(|server| server.host != self.driver())
    }
}
