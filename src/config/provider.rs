//! Where the host runs: the `provider` section, one variant for each provider.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;
use super::secret::Secret;

/// Where the host runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Provider {
    /// A system container on the local Docker Engine.
    Docker(Docker),
    /// A virtual machine or system container of the local LXD.
    Lxd(Lxd),
    /// A server at Hetzner Cloud.
    Hetzner(Hetzner),
}

/// The providers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// A system container on the local Docker Engine.
    Docker,
    /// A virtual machine or system container of the local LXD.
    Lxd,
    /// A server at Hetzner Cloud.
    Hetzner,
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Lxd => "lxd",
            Self::Hetzner => "hetzner",
        })
    }
}

impl Provider {
    /// The provider's name.
    pub fn kind(&self) -> ProviderKind {
        match self {
            Self::Docker(_) => ProviderKind::Docker,
            Self::Lxd(_) => ProviderKind::Lxd,
            Self::Hetzner(_) => ProviderKind::Hetzner,
        }
    }
}

/// A system container on the local Docker Engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Docker {
    /// The image that the host is built from: a Debian or Ubuntu.
    #[schemars(schema_with = "formats::image")]
    pub base_image: String,
    /// The Docker network that the host joins; its own one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub network: Option<String>,
}

impl Default for Docker {
    fn default() -> Self {
        Self { base_image: "debian:trixie".into(), network: None }
    }
}

/// A virtual machine or system container of the local LXD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lxd {
    /// The LXD profile to make for the host.
    #[schemars(length(min = 1))]
    pub profile_name: String,
    /// What kind of host.
    #[serde(default)]
    pub instance_type: InstanceType,
    /// The image that the host starts from.
    #[serde(default = "default_lxd_image")]
    #[schemars(length(min = 1))]
    pub image: String,
    /// How many processors.
    #[serde(default = "default_cpus")]
    #[schemars(range(min = 1))]
    pub cpus: u32,
    /// How much memory, with its unit.
    #[serde(default = "default_memory")]
    #[schemars(schema_with = "formats::size")]
    pub memory: String,
    /// How large the root disk is, with its unit.
    #[serde(default = "default_disk")]
    #[schemars(schema_with = "formats::size")]
    pub disk: String,
    /// The LXD network that the host joins.
    #[serde(default = "default_lxd_network")]
    #[schemars(length(min = 1))]
    pub network: String,
    /// The LXD storage pool that holds the root disk.
    #[serde(default = "default_storage_pool")]
    #[schemars(length(min = 1))]
    pub storage_pool: String,
    /// More LXD instance keys; a container gets `security.nesting` by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

/// What kind of LXD host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceType {
    /// A machine with its own kernel.
    #[default]
    VirtualMachine,
    /// A system container on this machine's kernel.
    Container,
}

/// A server at Hetzner Cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hetzner {
    /// The API token of your Hetzner Cloud project, with permission to write.
    pub api_token: Secret,
    /// The kind of server, such as `cx23`.
    #[schemars(length(min = 1))]
    pub server_type: String,
    /// The place, such as `nbg1`.
    #[schemars(length(min = 1))]
    pub location: String,
    /// The image that the server starts from, such as `ubuntu-24.04`.
    #[schemars(length(min = 1))]
    pub image: String,
}

impl Hetzner {
    /// How many characters a token of the Hetzner Cloud API has.
    pub const TOKEN_LENGTH: usize = 64;
}

impl Lxd {
    /// A host of the default size, under a profile of this name.
    pub fn with_profile(profile_name: String) -> Self {
        Self {
            profile_name,
            instance_type: InstanceType::default(),
            image: default_lxd_image(),
            cpus: default_cpus(),
            memory: default_memory(),
            disk: default_disk(),
            network: default_lxd_network(),
            storage_pool: default_storage_pool(),
            config: BTreeMap::new(),
        }
    }
}

fn default_lxd_image() -> String {
    "ubuntu:24.04".into()
}

fn default_cpus() -> u32 {
    2
}

fn default_memory() -> String {
    "2GB".into()
}

fn default_disk() -> String {
    "10GB".into()
}

fn default_lxd_network() -> String {
    "lxdbr0".into()
}

fn default_storage_pool() -> String {
    "default".into()
}
