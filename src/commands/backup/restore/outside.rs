//! The stack with the restored database, as its clients see it: what decides whether it stays.

use std::time::Duration;

use crate::checks;
use crate::commands::test::host;
use crate::config::Config;
use crate::error::Result;
use crate::probe::http::Relay;
use crate::process::Runner;
use crate::services;
use crate::store::Host;
use crate::story::Work;
use crate::tools::relay;

/// How long one look may take. The host waits for half a minute.
const LOOK: Duration = Duration::from_secs(10);

/// All that is needed for a look.
pub struct View {
    config: Config,
    host: Host,
    relay: Relay,
}

impl View {
    /// Learns what there is to look at.
    ///
    /// # Errors
    /// A secret has no value, or the host cannot be reached.
    pub fn of(work: &mut Work) -> Result<Self> {
        let mut config = work.revealed()?.config.clone();
        host::learn_own_root(work.ssh()?, &mut config)?;
        let relay = relay::over(work.ssh()?);
        Ok(Self { config, host: work.env.host()?.clone(), relay })
    }

    /// Our word, for the host: "keep", or "undo" and why.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn verdict(&self, runner: Runner) -> Result<String> {
        runner.out.doing("looking from outside");
        let checked =
            checks::ask_all(runner, services::checks(&self.config, &self.host, &self.relay)?, LOOK)?;
        let failed: Vec<String> = checks::faults(&checked).collect();
        Ok(match failed.first() {
            None => "keep\n".to_owned(),
            Some(first) => {
                let count = failed.len();
                format!("undo {count} checks from outside fail: {}\n", first.replace('\n', " "))
            }
        })
    }
}
