//! SSH keys: those of the environments, or one that a first environment could use.

use std::os::unix::fs::MetadataExt;

use super::finding::Finding;
use super::machine::{Command, Fix, Lack};
use crate::output::shown_path;
use crate::state::Stage;
use crate::store::Environment;

const NEEDED: &str = "a private key that its owner alone may read";

/// One line for all keys that are there, and one for each that is not.
#[must_use]
pub fn look(environments: &[Environment]) -> Vec<Finding> {
    if environments.is_empty() {
        return vec![own()];
    }
    let bad: Vec<Finding> = environments.iter().filter_map(fault).collect();
    let good = environments.len() - bad.len();
    let seen = match good {
        1 => "the key of 1 environment is there".to_owned(),
        _ => format!("the keys of {good} environments are there"),
    };
    let good = (good > 0).then(|| Finding::ok("SSH keys", NEEDED, seen));
    good.into_iter().chain(bad).collect()
}

/// The user's own: any of those that `ssh` takes by itself.
fn own() -> Finding {
    const KINDS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];
    let name = "SSH key";
    let folder = std::env::home_dir().unwrap_or_default().join(".ssh");
    if let Some(key) = KINDS.iter().map(|kind| folder.join(kind)).find(|key| key.is_file()) {
        return Finding::ok(name, NEEDED, key.display().to_string());
    }
    let needed = "a key of your own, where an environment shall not make its own one";
    let seen = format!("no {} in {}", KINDS.join(" or "), folder.display());
    let fix = Fix::by_hand(format!("ssh-keygen -t ed25519 -f {}", shown_path(&folder.join(KINDS[0]))))
        .and("or let the environment have its own one: torrust-tracker-deployer create NAME");
    Finding::missing(name, needed, seen, Lack::Known(fix)).into_warning()
}

/// What is wrong with an environment's key.
fn fault(env: &Environment) -> Option<Finding> {
    let key = &env.config.ssh_credentials.private_key_path;
    let path = key.display().to_string();
    let (seen, fix) = match key.metadata() {
        Ok(file) if file.mode().trailing_zeros() >= 6 => return None,
        Ok(_) => {
            let close = Command::user(&["chmod", "600", &path]);
            (format!("others may read {path}, so ssh refuses it"), Fix::run(close))
        }
        Err(error) => {
            let make = Command::user(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &path]);
            let fix = match env.stage {
                Stage::Created => Fix::run(make),
                // A new one would not open the host.
                _ => Fix::by_hand(format!(
                    "put it back from a copy: the host of {} lets no other one in",
                    env.name
                )),
            };
            (format!("{path}: {error}"), fix)
        }
    };
    Some(Finding::missing(format!("SSH key of {}", env.name), NEEDED, seen, Lack::Known(fix)))
}
