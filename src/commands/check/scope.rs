//! For whom the machine is looked at: the environments here, or a newcomer who may choose any provider.

use std::collections::BTreeSet;

use super::{lxd, reach};
use crate::app::App;
use crate::config::{Config, Docker, ImageSource, Images, Lxd, Provider, ProviderKind};
use crate::error::Result;
use crate::services;
use crate::state::Stage;
use crate::store::Environment;

/// What is in use.
pub struct Scope {
    /// Those that are not destroyed, of the providers that were asked for.
    pub environments: Vec<Environment>,
    providers: Vec<ProviderKind>,
}

impl Scope {
    /// Reads the environments. One whose file is damaged is warned about, and hides nothing of the others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(app: &App, asked: &[ProviderKind]) -> Result<Self> {
        let mut environments = vec![];
        for name in app.store.names()? {
            match app.store.exists(&name).and_then(|there| there.then(|| app.store.load(&name)).transpose()) {
                Ok(env) => environments.extend(env),
                Err(error) => app.out.warn(&format!("{error}: {}", error.causes().join(": "))),
            }
        }
        let asked_for = |kind: ProviderKind| asked.is_empty() || asked.contains(&kind);
        environments.retain(|env| env.stage != Stage::Destroyed && asked_for(env.config.provider.kind()));
        let all = [ProviderKind::Docker, ProviderKind::Lxd, ProviderKind::Hetzner];
        // A host that was there before needs no provider.
        let used = |kind: &ProviderKind| {
            let mut made = environments.iter().filter(|env| env.registered_host().is_none());
            made.any(|env| env.config.provider.kind() == *kind)
        };
        let providers = match (asked, &environments[..]) {
            ([], []) => all.to_vec(),
            ([], _) => all.into_iter().filter(used).collect(),
            _ => asked.to_vec(),
        };
        Ok(Self { environments, providers })
    }

    fn has(&self, kind: ProviderKind) -> bool {
        self.providers.contains(&kind)
    }

    fn configs(&self) -> impl Iterator<Item = &Config> {
        self.environments.iter().map(|env| &env.config)
    }

    /// What Docker is needed for on this machine.
    #[must_use]
    pub fn docker_purpose(&self) -> Option<&'static str> {
        let sends = self.configs().any(|config| config.images.source == ImageSource::Local);
        match (self.has(ProviderKind::Docker), sends) {
            (true, _) => Some("for the provider docker"),
            (false, true) => Some("for \"images\": { \"source\": \"local\" }"),
            (false, false) => None,
        }
    }

    /// Whose hosts `OpenTofu` makes.
    #[must_use]
    pub fn tofu_users(&self) -> Option<&'static str> {
        match (self.has(ProviderKind::Lxd), self.has(ProviderKind::Hetzner)) {
            (true, true) => Some("the providers lxd and hetzner"),
            (true, false) => Some("the provider lxd"),
            (false, true) => Some("the provider hetzner"),
            (false, false) => None,
        }
    }

    /// What is asked of LXD.
    #[must_use]
    pub fn lxd(&self) -> Option<lxd::Wanted> {
        let hosts = self.environments.iter().filter(|env| env.registered_host().is_none());
        let hosts: Vec<Lxd> = hosts
            .filter_map(|env| match &env.config.provider {
                Provider::Lxd(lxd) => Some(lxd.clone()),
                _ => None,
            })
            .collect();
        let configured = !hosts.is_empty();
        let hosts = if configured { hosts } else { vec![Lxd::with_profile(String::new())] };
        self.has(ProviderKind::Lxd).then_some(lxd::Wanted { hosts, configured })
    }

    /// The registries that images come from, each once.
    #[must_use]
    pub fn registries(&self) -> BTreeSet<String> {
        let mut images: Vec<String> = self.environments.iter().flat_map(pulled).collect();
        let bases = self.configs().filter_map(|config| match &config.provider {
            Provider::Docker(docker) => Some(docker.base_image.clone()),
            _ => None,
        });
        images.extend(bases);
        if self.environments.is_empty() {
            images.extend([Images::default().tracker.to_string(), Docker::default().base_image]);
        }
        images.iter().map(|image| reach::registry(image).to_owned()).collect()
    }
}

/// The images that the host pulls itself.
fn pulled(env: &Environment) -> Vec<String> {
    if env.config.images.source == ImageSource::Local { vec![] } else { services::images(env) }
}
