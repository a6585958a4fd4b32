//! What cannot be changed of an environment any more, why, and what to do instead.

use super::database;
use super::difference::Change;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::state::Stage;
use crate::store::{Environment, Origin};

/// What is known when a change is judged.
struct Case<'c> {
    env: &'c Environment,
    new: &'c Config,
    changes: &'c [Change],
}

/// Fields that are fixed once something holds.
struct Rule {
    paths: &'static [&'static str],
    holds: fn(&Case) -> bool,
    why: &'static str,
    instead: &'static [&'static str],
}

/// What to do instead; `NAME` is the environment's.
const NEW_ENVIRONMENT: &[&str] = &[
    "make another environment of it: choose another environment.name in the file, then: torrust-tracker-deployer deploy -f FILE",
    "the old one stays as it is, with its data, until: torrust-tracker-deployer destroy NAME --backup",
];
const OTHER_NAME: &[&str] = &[
    "put the old name back: NAME",
    "or make another environment of the file: torrust-tracker-deployer deploy -f FILE",
];
const USER_BY_HAND: &[&str] = &["keep the old user: it is for SSH alone, the tracker does not run as it"];
const KEY_BY_HAND: &[&str] =
    &["add the new public key to ~/.ssh/authorized_keys on the host, then change private_key_path alone"];

const RULES: &[Rule] = &[
    Rule {
        paths: &["environment.name"],
        holds: |_| true,
        why: "the folder here and everything at the provider carries the name",
        instead: OTHER_NAME,
    },
    Rule {
        paths: &["provider.provider", "environment.instance_name", "provider.profile_name"],
        holds: |case| case.env.host.is_some() || case.env.needs_again("provision"),
        why: "that would be another host",
        instead: NEW_ENVIRONMENT,
    },
    Rule {
        paths: &[
            "provider.base_image",
            "provider.image",
            "provider.instance_type",
            "provider.location",
            "provider.network",
            "provider.storage_pool",
        ],
        holds: made_by_us,
        why: "a host has it from its making",
        instead: NEW_ENVIRONMENT,
    },
    Rule {
        paths: &["ssh_credentials.username"],
        holds: made_by_us,
        why: "the host was made with this user",
        instead: USER_BY_HAND,
    },
    Rule {
        paths: &["ssh_credentials.public_key_path"],
        holds: |case| made_by_us(case) && is_another_key(case),
        why: "the host was made with another key, and lets nobody in with this one",
        instead: KEY_BY_HAND,
    },
    Rule {
        paths: &["tracker.core.database.driver"],
        holds: leaves_data,
        why: "the tracker would begin with an empty database: no kind of database takes over another one's data",
        instead: NEW_ENVIRONMENT,
    },
    Rule {
        paths: &["tracker.core.database.database_name"],
        // With another driver all of the section is another.
        holds: |case| leaves_data(case) && !changes(case, "tracker.core.database.driver"),
        why: "the tracker would begin with an empty database, beside the one that it has",
        instead: NEW_ENVIRONMENT,
    },
    Rule {
        paths: &["tracker.core.database.host"],
        holds: |case| leaves_data(case) && !changes(case, "tracker.core.database.driver"),
        why: "the stack's own server would begin with an empty database",
        instead: NEW_ENVIRONMENT,
    },
];

fn made_by_us(case: &Case) -> bool {
    case.env.host.as_ref().is_some_and(|host| host.origin == Origin::Created)
}

/// Whether a tracker may have written something.
fn has_data(case: &Case) -> bool {
    case.env.release.is_some() || case.env.stage >= Stage::Released
}

/// Whether it would begin with an empty database while it has one.
fn leaves_data(case: &Case) -> bool {
    has_data(case) && database::begins_empty(&case.env.config, case.new)
}

fn changes(case: &Case, path: &str) -> bool {
    case.changes.iter().any(|change| change.is_in(path))
}

/// The same key may lie in another place. One that cannot be read any more is taken for another.
fn is_another_key(case: &Case) -> bool {
    let read = |config: &Config| crate::input::read(&config.ssh_credentials.public_key_path).ok();
    let (old, new) = (read(&case.env.config), read(case.new));
    old.is_none() || old != new
}

/// Refuses all changes that need a new host or would lose data, in one error.
///
/// # Errors
/// `change_refused`.
pub fn refuse(env: &Environment, new: &Config, changes: &[Change]) -> Result<()> {
    let case = Case { env, new, changes };
    let mut refused: Vec<(&Change, &Rule)> = vec![];
    for change in changes {
        let fits = |rule: &&Rule| rule.paths.iter().any(|path| change.is_in(path)) && (rule.holds)(&case);
        // A section of another provider is other fields: what it is about is told once.
        let rule = RULES.iter().find(fits);
        refused.extend(rule.map(|rule| (change, rule)));
    }
    let other_provider = refused.iter().any(|(change, _)| change.path == "provider.provider");
    refused.retain(|(change, _)| {
        !other_provider || !change.is_in("provider") || change.path == "provider.provider"
    });
    if refused.is_empty() {
        return Ok(());
    }
    let name = &env.name;
    let count = if refused.len() == 1 { "a change".into() } else { format!("{} changes", refused.len()) };
    let message = format!("{count} cannot be made to {name}; nothing was changed");
    let mut helps: Vec<&str> = vec![];
    let mut error = Error::new(Code::ChangeRefused, message);
    for (change, rule) in refused {
        error = error.why(format!("{change}: {}", rule.why));
        helps.extend(rule.instead.iter().filter(|help| !helps.contains(help)).copied().collect::<Vec<_>>());
    }
    Err(helps.into_iter().fold(error, |error, help| error.help(help.replace("NAME", name.as_str()))))
}
