//! What is the stack's on a host where others have containers, too; `templates/host/owner.sh` looks.

use crate::error::{Code, Error};
use crate::tools::ssh::sh_quote;

/// The name of the Compose project in new releases. Its containers are `PROJECT-SERVICE-1`, its networks `PROJECT_NETWORK`.
pub const PROJECT: &str = "torrust-deployer-stack";

/// A thing of others that is in the way of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// It has a name that only the stack may have: what it is, its name, and the folder of its Compose project.
    Stranger { kind: String, name: String, folder: String },
    /// It is on a network that has to be removed.
    Attached { name: String, network: String },
}

impl InTheWay {
    /// A line of `owner.sh`.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        match words.next()?.as_str() {
            "stranger" => Some(Self::Stranger {
                kind: words.next()?,
                name: words.next()?,
                folder: words.next().unwrap_or_default().trim().to_owned(),
            }),
            "attached" => Some(Self::Attached { name: words.next()?, network: words.next()? }),
            _ => None,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Stranger { kind, name, folder } if folder.is_empty() => format!("the {kind} {name}"),
            Self::Stranger { kind, name, folder } => format!("the {kind} {name} of {folder}"),
            Self::Attached { name, network } => format!("the container {name} on the network {network}"),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Stranger { folder, .. } if !folder.is_empty() => format!(
                "give it another project name: cd {} && sudo docker compose down && sudo docker compose --project-name NAME up -d",
                sh_quote(folder)
            ),
            Self::Stranger { kind, name, .. } if kind == "container" => {
                format!("rename it on the host: sudo docker rename {} NAME", sh_quote(name))
            }
            Self::Stranger { kind, name, .. } => {
                format!("if nobody needs it, remove it on the host: sudo docker {kind} rm {}", sh_quote(name))
            }
            Self::Attached { name, network } => {
                format!(
                    "disconnect it on the host: sudo docker network disconnect {} {}",
                    sh_quote(network),
                    sh_quote(name)
                )
            }
        }
    }
}

/// Why nothing is done to a host with these.
#[must_use]
pub fn refusal(in_the_way: &[InTheWay]) -> Error {
    let things: Vec<String> = in_the_way.iter().map(InTheWay::what).collect();
    let error = Error::new(
        Code::StateRefused,
        format!("others on the host use names of the stack: {}", things.join(", ")),
    )
    .why("Docker Compose would replace or remove them; neither they nor the release in place were changed");
    let mut fixes: Vec<String> = in_the_way.iter().map(InTheWay::fix).collect();
    fixes.dedup();
    fixes.into_iter().fold(error, Error::help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_has_one_name_everywhere() {
        let compose = include_str!("../templates/docker-compose/docker-compose.yml.j2");
        assert!(compose.contains(&format!("\nname: {PROJECT}\n")));
        assert!(include_str!("../templates/host/owner.sh").contains(&format!("\nproject={PROJECT}\n")));
    }

    #[test]
    fn refusal_names_each_thing_and_its_fix() {
        let lines = [
            "stranger container x-tracker-1 /root/my folder",
            "stranger network x_tracker ",
            "attached spy torrust_tracker",
            "ready",
        ];
        let found: Vec<InTheWay> = lines.iter().filter_map(|line| InTheWay::read(line)).collect();
        let error = refusal(&found);
        assert_eq!(
            error.to_string(),
            "others on the host use names of the stack: the container x-tracker-1 of /root/my folder, the network x_tracker, \
             the container spy on the network torrust_tracker"
        );
        assert!(error.helps()[0].contains("cd '/root/my folder' &&"), "{:?}", error.helps());
        assert_eq!(
            error.helps()[1],
            "if nobody needs it, remove it on the host: sudo docker network rm 'x_tracker'"
        );
        assert_eq!(
            error.helps()[2],
            "disconnect it on the host: sudo docker network disconnect 'torrust_tracker' 'spy'"
        );
    }
}
