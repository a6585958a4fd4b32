//! How old the images are, and whether their registries have newer ones under the same tags.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::{Container, Facts, Registry};
use crate::output::words;

/// A build that wants to be reproducible gives its image a date long past.
const NO_DATE: i64 = 946_684_800; // 2000-01-01

/// One line for each container of the stack whose image is known.
pub fn judge(facts: &Facts, wanted: &Wanted, now: Timestamp) -> Vec<Line> {
    let of_service = |pinned: &crate::services::Container| {
        facts.docker.containers.iter().find(|container| container.service == pinned.name)
    };
    let ours = wanted.containers.iter().filter_map(of_service);
    let known =
        ours.filter(|container| container.image_arrived.is_some() || container.image_created.is_some());
    known.map(|container| line(container, facts.registries.get(&container.image), wanted, now)).collect()
}

fn line(container: &Container, registry: Option<&Registry>, wanted: &Wanted, now: Timestamp) -> Line {
    let age = |time: Option<Timestamp>| {
        let time = time.filter(|time| time.as_second() > NO_DATE)?;
        Some(words::span(now.duration_since(time).as_secs()))
    };
    let mut seen = container.image.clone();
    if let Some(age) = age(container.image_created) {
        let _ = write!(seen, ", made {age} ago");
    }
    if let Some(age) = age(container.image_arrived) {
        let _ = write!(seen, ", on the host for {age}");
    }
    let line = |more: &str| {
        Line::ok(Topic::Release, format!("image of {}", container.service), format!("{seen}{more}"))
    };
    if container.image.contains('@') {
        return line(", fixed by its digest");
    }
    let Some(Registry { name: registry, digest, error }) = registry else { return line("") };
    let Some(digest) = digest else {
        let why = error.as_deref().unwrap_or("no answer");
        return line(&format!("; not compared with {registry}: {why}"));
    };
    if container.digests.is_empty() {
        return line(&format!("; not compared with {registry}: this image was not pulled from a registry"));
    }
    if container.digests.iter().any(|known| known.ends_with(&format!("@{digest}"))) {
        return line(&format!("; {registry} has the same under this tag"));
    }
    let short: String = digest.trim_start_matches("sha256:").chars().take(12).collect();
    line(&format!("; {registry} has another one under this tag ({short})"))
        .warning("the image that the registry has", format!("{} --pull", wanted.typed("deploy")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::commands::status::judge::Level;
    use crate::config::{self, ProviderKind};
    use crate::store::{Choices, Environment};

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn now() -> Timestamp {
        "2026-11-27T12:00:00Z".parse().unwrap()
    }

    /// The line of a tracker whose image is 51 days old, with what its registry said.
    fn judged(digests: &[&str], registry: Option<Registry>) -> Line {
        let name = "demo".parse().unwrap();
        let config = config::template(ProviderKind::Docker, &name, Path::new("/k")).unwrap();
        let wanted = Wanted::of(&Environment::new(config, Choices::default())).unwrap();
        let mut facts = Facts::default();
        facts.docker.containers.push(Container {
            service: "tracker".into(),
            image: "torrust/tracker:develop".into(),
            digests: digests.iter().map(|digest| format!("torrust/tracker@{digest}")).collect(),
            image_created: Some("2026-10-07T12:00:00Z".parse().unwrap()),
            image_arrived: Some("2026-11-24T12:00:00Z".parse().unwrap()),
            ..Container::default()
        });
        facts.registries.extend(registry.map(|registry| ("torrust/tracker:develop".to_owned(), registry)));
        let mut lines = judge(&facts, &wanted, now());
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }

    fn says(digest: &str) -> Registry {
        Registry { name: "docker.io".into(), digest: Some(digest.into()), error: None }
    }

    #[test]
    fn age_is_reported_and_no_more_where_no_registry_was_asked() {
        let line = judged(&[DIGEST], None);
        assert_eq!(line.level, Level::Ok);
        assert_eq!(line.seen, "torrust/tracker:develop, made 51 days ago, on the host for 3 days");
    }

    #[test]
    fn newer_image_under_the_same_tag_is_a_warning_with_what_to_type() {
        let same = judged(&[DIGEST], Some(says(DIGEST)));
        assert_eq!(same.level, Level::Ok);
        assert!(same.seen.ends_with("docker.io has the same under this tag"), "{}", same.seen);
        let newer = judged(&[DIGEST], Some(says(&DIGEST.replace('0', "f"))));
        assert_eq!(newer.level, Level::Warning);
        assert_eq!(newer.help, ["torrust-tracker-deployer deploy demo --pull"]);
    }

    #[test]
    fn registry_that_was_not_reached_is_no_warning() {
        let error = Some("not reached: no answer within 2 s".to_owned());
        let away = judged(&[DIGEST], Some(Registry { name: "docker.io".into(), digest: None, error }));
        assert_eq!(away.level, Level::Ok);
        assert!(away.seen.ends_with("; not compared with docker.io: not reached: no answer within 2 s"));
        // What was sent from the operator's own engine has no digest of a registry.
        let sent = judged(&[], Some(says(DIGEST)));
        assert_eq!(sent.level, Level::Ok);
        assert!(sent.seen.ends_with("was not pulled from a registry"), "{}", sent.seen);
    }
}
