//! A UDP tracker that does not answer: one cause cannot be told from a closed port.

use super::Role;
use super::schema::Schema;
use crate::checks::{Answer, Checked};
use crate::config::ConnectionIdValidation;
use crate::store::Environment;

/// Adds to each UDP tracker that was silent that a ban is one possible cause, and what ends it: trackers after release 3.0.0
/// drop all UDP packets of an address that sent too many wrong connection ids, until a reset that may be a day away.
pub fn explain(env: &Environment, checked: &mut [Checked]) {
    // Images between the two have the older schema, and ban: only release 3.0.0 itself does not.
    let is_3_0_0 = Schema::of_reference(&env.tracker_reference()) == Schema::V2;
    let validation = env.config.tracker.udp_tracker_server.connection_id_validation;
    if is_3_0_0 || validation == Some(ConnectionIdValidation::Disabled) {
        return;
    }
    for one in checked.iter_mut().filter(|one| one.name.starts_with(Role::Udp.called())) {
        let Answer::Failed(fault) = &mut one.answer else { continue };
        if fault.seen.starts_with("no answer") {
            fault.seen += &hint(&env.name);
        }
    }
}

fn hint(name: &impl std::fmt::Display) -> String {
    format!(
        "; one possible cause: the tracker has banned this machine's address after wrong connection ids. A restart ends all \
         bans: torrust-tracker-deployer ssh {name} -- sudo docker compose --project-directory /opt/torrust restart tracker"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, ProviderKind};
    use crate::probe::Fault;
    use crate::store::Choices;

    fn seen(image: &str, name: &str, seen: &str) -> String {
        let demo = "demo".parse().unwrap();
        let mut config = config::template(ProviderKind::Docker, &demo, Path::new("/k")).unwrap();
        config.images.tracker = image.into();
        let env = Environment::new(config, Choices::default());
        let mut checked = [Checked::at_once(name, Answer::Failed(Fault::new("an answer", seen)))];
        explain(&env, &mut checked);
        checked[0].fault().unwrap().seen.clone()
    }

    #[test]
    fn silence_names_a_ban_only_where_a_tracker_bans() {
        let (udp, silent) = ("UDP tracker 6969 over IPv4: connect", "no answer in 3.0 s (sent 2 packets)");
        for banning in
            ["torrust/tracker:develop", "registry.lan:5000/tracker", "torrust/tracker:4.0.0@sha256:00"]
        {
            let seen = seen(banning, udp, silent);
            assert!(seen.starts_with(silent) && seen.contains("one possible cause"), "{seen}");
            assert!(
                seen.contains(
                    "ssh demo -- sudo docker compose --project-directory /opt/torrust restart tracker"
                ),
                "{seen}"
            );
        }
        for image in ["torrust/tracker:3.0.0", "registry.lan:5000/lab/tracker:v3.0.0@sha256:00"] {
            assert_eq!(seen(image, udp, silent), silent, "release 3.0.0 bans nobody");
        }
        let refused = "connection refused (ICMP port unreachable)";
        assert_eq!(seen("torrust/tracker:develop", udp, refused), refused);
        assert_eq!(seen("torrust/tracker:develop", "HTTP tracker 7070", silent), silent);
    }
}
