//! What the tracker's database holds, asked on the host and not of the tracker.

use crate::config::{Config, Database};
use crate::probe::swarm::InfoHash;
use crate::services::{in_container, mysql};
use crate::tools::ssh::sh_quote;

/// Asks an SQLite file, which is only read.
const SQLITE: &str = "import sqlite3, sys
database = sqlite3.connect(f\"file:{sys.argv[1]}?mode=ro\", uri=True, timeout=10)
print(*database.execute(sys.argv[2]).fetchone())";

/// A command for `bash` in `/opt/torrust` that prints how often the whitelist in the database has this torrent.
#[must_use]
pub fn count_of(config: &Config, torrent: InfoHash) -> String {
    let question = format!("SELECT COUNT(*) FROM whitelist WHERE info_hash = '{torrent}'");
    match &config.tracker.core.database {
        Database::Sqlite3(sqlite) => {
            let file = format!("storage/tracker/lib/database/{}", sqlite.database_name);
            format!("python3 -c {} {} {}", sh_quote(SQLITE), sh_quote(&file), sh_quote(&question))
        }
        Database::Mysql(_) => in_container(mysql::NAME, &mysql::client(&question)),
    }
}
