//! Where a host comes from: one file per provider. `register` takes a host that is there already.

pub mod docker;
mod hetzner;
pub mod host;
mod lxd;
mod tofu;

pub use tofu::Making;

use crate::config::Provider;
use crate::error::{Code, Error, Result};
use crate::render::{File, Templates};
use crate::store::{Environment, Host, Origin};
use crate::story::{Step, Work};

/// The steps that make this environment's host.
#[must_use]
pub fn steps(env: &Environment) -> &'static [Step] {
    match &env.config.provider {
        Provider::Docker(_) => docker::STEPS,
        Provider::Lxd(_) | Provider::Hetzner(_) => tofu::STEPS,
    }
}

/// The files that make this environment's host; none where the provider needs none.
///
/// # Errors
/// The public key cannot be read, or a template does not fit.
pub fn files(env: &Environment, templates: &Templates) -> Result<Vec<File>> {
    match &env.config.provider {
        Provider::Docker(_) => Ok(vec![]),
        Provider::Lxd(_) | Provider::Hetzner(_) => tofu::files(env, templates),
    }
}

/// Whether the provider would be asked for something else about a host that it made, such as other open ports.
///
/// # Errors
/// The public key cannot be read.
pub fn is_asked_otherwise(old: &Environment, new: &Environment) -> Result<bool> {
    match (&old.host, &new.config.provider) {
        (Some(Host { origin: Origin::Created, .. }), Provider::Lxd(_) | Provider::Hetzner(_)) => {
            tofu::is_asked_otherwise(old, new)
        }
        _ => Ok(false),
    }
}

/// How much [`remove`] removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The host and all data on it.
    Everything,
    /// The host; the tracker's data stays.
    AllButData,
    /// What a command that failed leaves of a host that was not there before it. Docker's things are known one by one;
    /// with OpenTofu it is all that the state knows, once this command began to make something.
    MadeNow,
}

/// Removes what the provider made for this environment and says what that was; running it twice is fine.
///
/// # Errors
/// When something could not be removed; what remains is named.
pub fn remove(work: &mut Work, extent: Extent) -> Result<Vec<String>> {
    check_extent(work, extent)?;
    match &work.env.config.provider {
        Provider::Docker(_) => docker::remove(work, extent),
        Provider::Lxd(_) | Provider::Hetzner(_) => tofu::remove(work, extent),
    }
}

/// Whether the provider lets us at what it has of this environment, before anything is touched.
///
/// # Errors
/// As [`remove`], as far as that can be known.
pub fn look(work: &mut Work) -> Result<String> {
    match &work.env.config.provider {
        Provider::Docker(_) => docker::find_engine(work),
        Provider::Lxd(_) | Provider::Hetzner(_) => tofu::look(work),
    }
}

/// Refuses an extent that this provider cannot keep to; [`remove`] does so by itself, and a caller with other work to do
/// first asks before that.
///
/// # Errors
/// `not_supported`.
pub fn check_extent(work: &Work, extent: Extent) -> Result<()> {
    match &work.env.config.provider {
        Provider::Lxd(_) | Provider::Hetzner(_) if extent == Extent::AllButData => Err(Error::new(
            Code::NotSupported,
            "--keep-data: the data is on the host's own disk, which goes with it",
        )
        .help(format!("take a copy along: torrust-tracker-deployer destroy {} --backup", work.env.name))),
        _ => Ok(()),
    }
}

/// What this command leaves at the provider, for the user who would have to remove it; nothing when nothing is known.
pub fn left_there(work: &Work) -> Option<String> {
    match &work.env.config.provider {
        Provider::Docker(_) => (!work.made.is_empty()).then(|| work.made.join(", ")),
        Provider::Lxd(_) | Provider::Hetzner(_) => tofu::left_there(work),
    }
}
