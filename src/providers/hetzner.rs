//! A server at Hetzner Cloud, by OpenTofu.

use serde_json::{Value, json};

use super::host::public_key;
use super::tofu::{Adoptions, Cloud};
use crate::config::{Hetzner, Provider};
use crate::error::{Code, Error, Result};
use crate::services::{self, Port, Protocol, Reach};
use crate::store::Environment;
use crate::story::Work;
use crate::tools::tofu::{Change, Program, Remedy, Variables};

/// Hetzner's part.
pub const CLOUD: Cloud = Cloud {
    templates: "tofu/hetzner",
    host: "hcloud_server",
    variables,
    adoptions,
    secrets,
    detail,
    remedies: REMEDIES,
    busy: &["(locked,", "(conflict,"],
    cost: Some("A server at Hetzner costs money until it is removed, also while it is switched off"),
};

/// By the words of the API: <https://docs.hetzner.cloud/reference/cloud#errors>.
const REMEDIES: &[Remedy] = &[
    Remedy(
        &["(unauthorized,", "missing hetzner cloud api token"],
        "the token is wrong or was revoked: make a new one in the Hetzner console (Security, API tokens)",
    ),
    Remedy(
        &["(forbidden,", "(token_readonly,"],
        "the token may not do this: make one with permission to read and write",
    ),
    Remedy(
        &["(resource_limit_exceeded,"],
        "the project's limit is reached: remove what is not needed, or ask for more in the Hetzner console (Limits)",
    ),
    Remedy(
        &["ssh key not unique (uniqueness_error,"],
        "the project has this public key already: give this environment one of its own: ssh-keygen -t ed25519 -f FILE",
    ),
    Remedy(
        &["already used (uniqueness_error,", "already exists (uniqueness_error,"],
        "choose another environment.instance_name, or remove what has the name in the Hetzner console",
    ),
    Remedy(
        &["server type * not found", "unsupported location for server type"],
        "correct provider.server_type or provider.location; what there is where: https://www.hetzner.com/cloud",
    ),
    Remedy(&["image * not found"], "correct provider.image, such as debian-13 or ubuntu-24.04"),
    Remedy(
        &["location => ["],
        "correct provider.location; the places: https://docs.hetzner.com/cloud/general/locations",
    ),
    Remedy(
        &["(resource_unavailable,", "(placement_error,"],
        "Hetzner has no room for it there now: try later, or another provider.location or provider.server_type",
    ),
    Remedy(
        &["(rate_limit_exceeded,"],
        "too many requests in this project within the hour: repeat the command in some minutes",
    ),
    Remedy(&["(locked,", "(conflict,"], "Hetzner is still at work on it: repeat the command in a minute"),
    Remedy(
        &["(server_error,", "(service_error,", "(bad_gateway,", "status code 5", "unexpected eof"],
        "the fault is on Hetzner's side (https://status.hetzner.com): repeat the command later",
    ),
    Remedy(
        &[
            "dial tcp*: no such host",
            "dial tcp*: connection refused",
            "dial tcp*: i/o timeout",
            "server misbehaving",
        ],
        "is the API reachable from here? try: curl -sSI https://api.hetzner.cloud",
    ),
];

fn section(env: &Environment) -> Result<&Hetzner> {
    match &env.config.provider {
        Provider::Hetzner(hetzner) => Ok(hetzner),
        _ => Err(Error::new(Code::Internal, "not an environment of the provider hetzner")),
    }
}

fn variables(env: &Environment) -> Result<Value> {
    let (config, hetzner) = (&env.config, section(env)?);
    let ssh = Port { number: config.ssh_credentials.port, protocol: Protocol::Tcp, reach: Reach::Everywhere };
    let ports = std::iter::once(ssh).chain(services::published(config));
    Ok(json!({
        "labels": {
            "environment": env.name,
            "managed-by": "torrust-tracker-deployer",
            "mark": env.mark(),
        },
        "name": config.instance_name(),
        "server_type": hetzner.server_type,
        "location": hetzner.location,
        "image": hetzner.image,
        "public_key": public_key(env)?,
        "open_ports": ports
            .map(|port| json!({ "protocol": port.protocol, "port": port.number.to_string() }))
            .collect::<Vec<_>>(),
    }))
}

/// The version that knows `for_each` in an import block.
const ADOPTING: (u32, u32) = (1, 7);

/// An older program cannot find what a killed apply left, and must not pretend that there is nothing: it costs money.
fn adoptions(work: &Work, program: &Program) -> Result<Adoptions> {
    let can_adopt = program.version >= ADOPTING;
    let half_made = work.env.host.is_none() && work.app.tofu_state(&work.env.name).exists();
    if can_adopt || !half_made {
        return Ok(vec![("adopt.tf", can_adopt)]);
    }
    let ((major, minor), instance) = (ADOPTING, work.env.config.instance_name());
    Err(Error::new(
        Code::ToolMissing,
        format!("the last apply was cut off, and {program} cannot find what it made; {major}.{minor} or newer can"),
    )
    .why(format!("a server {instance} may be at Hetzner, and cost money"))
    .help("install a newer OpenTofu, or name one: --tofu-bin PATH; then repeat the command")
    .help(format!(
        "or look in the Hetzner console for the label mark={}, remove what has it, then: torrust-tracker-deployer purge {} --force",
        work.env.mark(),
        work.env.name
    )))
}

/// The token, for the provider's process alone. One of another length is no token, and the provider's own words for that
/// do not say where it came from.
fn secrets(work: &Work) -> Result<Variables> {
    let secret = &section(&work.env)?.api_token;
    let token = secret.resolve()?;
    work.app.out.mask_secret(token.expose());
    if token.expose().trim() != token.expose() {
        return Err(Error::new(Code::SecretUnavailable, format!("{secret} begins or ends with a blank"))
            .help("a token of the Hetzner Cloud API has letters and digits alone"));
    }
    let length = token.expose().chars().count();
    if length != Hetzner::TOKEN_LENGTH {
        return Err(Error::new(
            Code::SecretUnavailable,
            format!(
                "{secret} holds no token of the Hetzner Cloud API: it has {length} characters instead of {}",
                Hetzner::TOKEN_LENGTH
            ),
        )
        .help("make one in the Hetzner console (Security, API tokens), with permission to read and write"));
    }
    Ok(vec![("HCLOUD_TOKEN".into(), token.expose().to_owned())])
}

fn detail(change: &Change) -> String {
    let text = |name| change.text(name);
    match change.kind.as_str() {
        "hcloud_server" => format!("{} in {}, from {}", text("server_type"), text("location"), text("image")),
        "hcloud_firewall" => opened(&change.values["rule"]),
        _ => String::new(),
    }
}

/// `lets in tcp 22, udp 6969`.
fn opened(rules: &Value) -> String {
    let mut ports: Vec<(u64, String)> = rules
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|rule| {
            let (protocol, port) = (rule["protocol"].as_str()?, rule["port"].as_str()?);
            Some((port.parse().ok()?, format!("{protocol} {port}")))
        })
        .collect();
    ports.sort();
    let ports: Vec<String> = ports.into_iter().map(|(_, port)| port).collect();
    format!("lets in {}", ports.join(", "))
}
