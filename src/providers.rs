//! Where a host comes from: one file per provider. `register` takes a host that is there already.

pub mod docker;
pub mod host;

use crate::config::{EnvironmentName, Provider};
use crate::error::{Code, Error, Result};
use crate::store::Environment;
use crate::story::{Step, Work};

/// The steps that make this environment's host.
///
/// # Errors
/// `not_supported`, when this version cannot make a host at that provider.
pub fn steps(env: &Environment) -> Result<&'static [Step]> {
    match &env.config.provider {
        Provider::Docker(_) => Ok(docker::STEPS),
        Provider::Lxd(_) => Err(not_supported("lxd", &env.name)),
        Provider::Hetzner(_) => Err(not_supported("hetzner", &env.name)),
    }
}

/// How much [`remove`] removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The host and all data on it.
    Everything,
    /// The host; the tracker's data stays.
    AllButData,
    /// What this very command made: a failed try takes nothing away that was there before it.
    MadeNow,
}

/// Removes what the provider made for this environment and says what that was; running it twice is fine.
///
/// # Errors
/// When something could not be removed; what remains is named.
pub fn remove(work: &mut Work, extent: Extent) -> Result<Vec<String>> {
    match &work.env.config.provider {
        Provider::Docker(_) => docker::remove(work, extent),
        // Nothing can have been made there: `steps` refuses.
        Provider::Lxd(_) | Provider::Hetzner(_) => Ok(vec![]),
    }
}

fn not_supported(provider: &str, name: &EnvironmentName) -> Error {
    Error::new(Code::NotSupported, format!("this version does not make hosts at the provider {provider} yet"))
        .help(format!(
            "make the host yourself, then: torrust-tracker-deployer register {name} --instance-ip ADDRESS"
        ))
        .help("or use the provider docker")
}
