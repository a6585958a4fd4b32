//! What Docker Compose says about its containers, and what that means.

use std::collections::HashMap;

use serde::Deserialize;

/// A container, as `docker compose ps --format json` has it: one object a line, from Compose 2.21 on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub struct Container {
    /// The container's id: another one after it was made anew.
    #[serde(rename = "ID")]
    pub id: String,
    /// The container's name.
    pub name: String,
    /// The service that it belongs to.
    pub service: String,
    /// `running`, `exited`, `restarting`, `created`, `dead`, `paused`.
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`; empty before the first check.
    pub health: String,
    /// Of the last end; 0 while a container waits for its next start.
    pub exit_code: i32,
    /// For people: `Up 3 seconds (healthy)`, `Restarting (101) 2 seconds ago`.
    pub status: String,
    /// The ports that it publishes.
    pub publishers: Option<Vec<Publisher>>,
}

/// A port that a container publishes on the host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub struct Publisher {
    /// The port on the host.
    pub published_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl Container {
    /// Whether it runs and passed its health check.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.state == "running" && self.health == "healthy"
    }

    /// Whether it publishes this port.
    #[must_use]
    pub fn publishes(&self, port: u16, protocol: &str) -> bool {
        let mut published = self.publishers.iter().flatten();
        published.any(|publisher| publisher.published_port == port && publisher.protocol == protocol)
    }

    /// The exit code of its last end, which a restarting container has only in its status.
    #[must_use]
    pub fn ended_with(&self) -> i32 {
        let in_status =
            self.status.split_once('(').and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
        in_status.unwrap_or(self.exit_code)
    }

    fn is_down(&self) -> bool {
        matches!(self.state.as_str(), "exited" | "restarting" | "dead")
    }

    /// Whether it is the one that something is wrong with, and not one that waits for another.
    #[must_use]
    pub fn is_ill(&self) -> bool {
        self.is_down() || self.health == "unhealthy"
    }

    /// In a word or two, what it is while it is not healthy.
    fn standing(&self) -> String {
        match (self.state.as_str(), self.health.as_str()) {
            ("running", "") => "not asked yet".into(),
            ("running", health) => health.into(),
            (state, _) if self.is_down() => format!("{state} (exit code {})", self.ended_with()),
            (state, _) => state.into(),
        }
    }
}

/// Where the stack stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not all are healthy yet; says who is in which state.
    Waiting(String),
    /// All run and pass their health check.
    Healthy,
    /// This one will not get healthy, and why.
    Broken(Container, String),
}

/// A container that was seen down this often will not come up by itself: the first ends may be a slow neighbour's fault.
const ENDS: usize = 3;

/// A container that is unhealthy at this many looks, a second apart, has been asked again since the stack was started:
/// the first verdicts may be older than that.
const UNHEALTHY: usize = 12;

/// Follows the stack from look to look.
#[derive(Debug, Default)]
pub struct Watch {
    ends: HashMap<String, usize>,
    unhealthy: HashMap<String, usize>,
}

/// Containers from a line: one object, or in older versions of Compose a list of them.
///
/// # Errors
/// When it is neither.
pub fn parse(line: &str) -> serde_json::Result<Vec<Container>> {
    if line.starts_with('[') { serde_json::from_str(line) } else { Ok(vec![serde_json::from_str(line)?]) }
}

impl Watch {
    /// Judges one look at the stack; `services` are those that must be there.
    pub fn judge(&mut self, services: &[&str], containers: &[Container]) -> Verdict {
        let mut waiting = vec![];
        for &service in services {
            let Some(container) = containers.iter().find(|container| container.service == service) else {
                waiting.push(format!("{service} has no container yet"));
                continue;
            };
            if let Some(why) = self.broken(container) {
                return Verdict::Broken(container.clone(), why);
            }
            // Every service has a health check: one without a verdict is one that nobody has asked yet.
            if !container.is_well() {
                waiting.push(format!("{service} is {}", container.standing()));
            }
        }
        if waiting.is_empty() { Verdict::Healthy } else { Verdict::Waiting(waiting.join(", ")) }
    }

    fn broken(&mut self, container: &Container) -> Option<String> {
        let down = container.is_down();
        let ends = self.ends.entry(container.service.clone()).or_default();
        *ends += usize::from(down);
        if *ends >= ENDS && down {
            return Some(format!("it ends again and again, with exit code {}", container.ended_with()));
        }
        let unhealthy = self.unhealthy.entry(container.service.clone()).or_default();
        *unhealthy = if container.health == "unhealthy" { *unhealthy + 1 } else { 0 };
        (*unhealthy >= UNHEALTHY).then(|| "its health check fails".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, health: &str) -> Vec<Container> {
        let service = "tracker".to_owned();
        vec![Container {
            service,
            state: state.into(),
            health: health.into(),
            exit_code: 1,
            ..Container::default()
        }]
    }

    #[test]
    fn both_forms_of_compose_are_read() {
        let line = r#"{"Name":"torrust-deployer-stack-tracker-1","Service":"tracker","State":"running","Health":"healthy","ExitCode":0}"#;
        assert_eq!(parse(line).unwrap()[0].health, "healthy");
        assert_eq!(parse(&format!("[{line},{line}]")).unwrap().len(), 2);
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn healthy_is_only_what_was_seen_healthy() {
        let mut watch = Watch::default();
        assert_eq!(watch.judge(&["tracker"], &[]), Verdict::Waiting("tracker has no container yet".into()));
        let starting = watch.judge(&["tracker"], &seen("running", "starting"));
        assert_eq!(starting, Verdict::Waiting("tracker is starting".into()));
        assert_eq!(watch.judge(&["tracker"], &seen("running", "healthy")), Verdict::Healthy);
    }

    #[test]
    fn a_container_that_keeps_ending_is_broken_and_one_that_ended_once_is_not() {
        let mut watch = Watch::default();
        for _ in 0..2 {
            assert!(matches!(watch.judge(&["tracker"], &seen("restarting", "")), Verdict::Waiting(_)));
        }
        assert!(matches!(watch.judge(&["tracker"], &seen("restarting", "")), Verdict::Broken(..)));
        let mut watch = Watch::default();
        for _ in 1..UNHEALTHY {
            assert!(matches!(watch.judge(&["tracker"], &seen("running", "unhealthy")), Verdict::Waiting(_)));
        }
        assert!(matches!(watch.judge(&["tracker"], &seen("running", "unhealthy")), Verdict::Broken(..)));
    }
}
