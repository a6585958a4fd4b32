//! What the tracker's database holds, asked on the host and not of the tracker.

use crate::config::{Config, Database};
use crate::services::{in_container, mysql};
use crate::tools::ssh::sh_quote;

/// Counts a key in an SQLite file; it is only read.
const SQLITE: &str = "import sqlite3, sys
database = sqlite3.connect(f\"file:{sys.argv[1]}?mode=ro\", uri=True, timeout=10)
print(*database.execute(\"SELECT COUNT(*) FROM keys WHERE key = ?\", sys.argv[2:]).fetchone())";

/// A command for `bash` in `/opt/torrust` that prints how often the database has this key. A key has letters and digits.
#[must_use]
pub fn count_of_key(config: &Config, key: &str) -> String {
    match &config.tracker.core.database {
        Database::Sqlite3(sqlite) => {
            let file = format!("storage/tracker/lib/database/{}", sqlite.database_name);
            format!("python3 -c {} {} {}", sh_quote(SQLITE), sh_quote(&file), sh_quote(key))
        }
        Database::Mysql(_) => {
            let question = format!("SELECT COUNT(*) FROM `keys` WHERE `key` = '{key}'");
            in_container(mysql::NAME, &mysql::client(&question))
        }
    }
}
