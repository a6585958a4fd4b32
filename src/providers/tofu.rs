//! Hosts made by OpenTofu: what the providers `lxd` and `hetzner` have in common.
//!
//! The files of `templates/tofu/` go to `build/<env>/tofu/`, the values beside them as `terraform.tfvars.json`; the
//! state lies in `data/<env>/`, so that `build/` may be thrown away at any time.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Extent, hetzner, host, lxd};
use crate::config::Provider;
use crate::error::{Code, Error, Result};
use crate::interrupt::Interrupt;
use crate::process::Runner;
use crate::render::{self, File, Templates};
use crate::state::Stage;
use crate::store::{Environment, Host, Origin};
use crate::story::{Step, Work};
use crate::tools::tofu::{self, Action, Change, Plan, Program, Remedy, Tofu, Variables};

/// How the names of files begin that take over what a killed apply left.
const ADOPTION: &str = "adopt";

/// Makes the host.
pub const STEPS: &[Step] = &[
    Step { title: "Prepare OpenTofu", run: prepare },
    Step { title: "Plan the host", run: plan },
    Step { title: "Apply the plan", run: apply },
    Step { title: "Wait for SSH", run: host::wait_for_first_ssh },
    Step { title: "Wait for cloud-init", run: host::wait_for_cloud_init },
    Step { title: "Look at the host", run: host::inspect },
];

/// How long the provider may be at work on something of ours.
const BUSY_DEADLINE: Duration = Duration::from_mins(1);
/// How long a host that is there may be without an IPv4 address; one that never has any is reached over IPv6.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(30);
/// How long is waited before the next try.
const PAUSE: Duration = Duration::from_secs(2);

/// How far a command has come with OpenTofu.
#[derive(Default)]
pub struct Making {
    /// OpenTofu in the environment's folder, once it is prepared.
    tofu: Option<Tofu>,
    /// Whether its plan has anything to change.
    changes: bool,
    /// Whether the plan goes on with what an earlier command made: a failure is no reason to remove that.
    pub takes_over: bool,
    /// Whether it began to apply the plan: from then on something may be there.
    began: bool,
}

/// Files of a provider's folder, and whether each shall be there now.
pub type Adoptions = Vec<(&'static str, bool)>;

/// What is a provider's own.
pub struct Cloud {
    /// Its folder below `templates/`.
    pub templates: &'static str,
    /// The type of the resource that is the host.
    pub host: &'static str,
    /// Its configuration as values for the variables of its OpenTofu files.
    pub variables: fn(&Environment) -> Result<Value>,
    /// Those of its files that take over what a killed apply left, and whether each can do that now.
    pub adoptions: fn(&Work, &Program) -> Result<Adoptions>,
    /// Environment variables with its secrets.
    pub secrets: fn(&Work) -> Result<Variables>,
    /// What people want to know of a resource before it is made.
    pub detail: fn(&Change) -> String,
    /// What helps when it refuses something.
    pub remedies: &'static [Remedy],
    /// Its words for work of its own that is not done yet: a little later the same call succeeds.
    pub busy: &'static [&'static str],
    /// What a host that is left there costs.
    pub cost: Option<&'static str>,
}

fn cloud(env: &Environment) -> Result<&'static Cloud> {
    match &env.config.provider {
        Provider::Lxd(_) => Ok(&lxd::CLOUD),
        Provider::Hetzner(_) => Ok(&hetzner::CLOUD),
        Provider::Docker(_) => Err(Error::new(Code::Internal, "the provider docker needs no OpenTofu")),
    }
}

/// Renders the files and opens the state, once in a command.
fn ready<'w>(work: &'w mut Work) -> Result<&'w Tofu> {
    if work.making.tofu.is_none() {
        let (runner, cloud) = (work.app.runner(), cloud(&work.env)?);
        let state = work.app.tofu_state(&work.env.name);
        let program = tofu::find(runner, work.app.tofu_bin().as_deref())?.for_state(&state)?;
        let secrets = (cloud.secrets)(work)?;
        let folder = work.app.build_folder(&work.env.name).join("tofu");
        write_files(work, &program, &folder)?;
        let tofu = Tofu { program, folder, state, secrets, remedies: cloud.remedies };
        tofu.init(runner)?;
        work.making.tofu = Some(tofu);
    }
    prepared(work)
}

fn prepared<'w>(work: &'w Work) -> Result<&'w Tofu> {
    work.making.tofu.as_ref().ok_or_else(|| Error::new(Code::Internal, "OpenTofu is not prepared"))
}

fn write_files(work: &Work, program: &Program, folder: &Path) -> Result<()> {
    let mut files = all_files(&work.env, &Templates::of(&work.env)?)?;
    for (adoption, wanted) in (cloud(&work.env)?.adoptions)(work, program)? {
        if !wanted {
            files.retain(|file| file.path != adoption);
            // Of an earlier call, which it was right for.
            let _ = std::fs::remove_file(folder.join(adoption));
        }
    }
    render::write(folder, &files)
}

/// The folder's files for a host that is not there yet. See [`super::files`].
pub fn files(env: &Environment, templates: &Templates) -> Result<Vec<File>> {
    let mut files = all_files(env, templates)?;
    // What a killed apply left is nobody's who begins anew.
    files.retain(|file| !file.path.starts_with(ADOPTION));
    Ok(files)
}

/// OpenTofu's own files, its values, and what cloud-init does at the host's first start.
fn all_files(env: &Environment, templates: &Templates) -> Result<Vec<File>> {
    let (cloud, credentials) = (cloud(env)?, &env.config.ssh_credentials);
    let first_start = json!({
        "username": credentials.username,
        "ssh_port": credentials.port,
        "public_key": host::public_key(env)?,
    });
    let mut files = templates.folder(cloud.templates, &Value::Null)?;
    let cloud_init = templates.render("tofu/cloud-init.yml.j2", &first_start)?;
    files.push(File { path: "cloud-init.yml".into(), bytes: cloud_init });
    let values = format!("{:#}\n", (cloud.variables)(env)?);
    files.push(File { path: "terraform.tfvars.json".into(), bytes: values.into_bytes() });
    Ok(files)
}

/// Whether the values for the provider's files differ. The key is that of the host's first start in both.
pub fn is_asked_otherwise(old: &Environment, new: &Environment) -> Result<bool> {
    let mut old = old.clone();
    old.config.ssh_credentials.public_key_path.clone_from(&new.config.ssh_credentials.public_key_path);
    let cloud = cloud(new)?;
    Ok((cloud.variables)(&old)? != (cloud.variables)(new)?)
}

fn prepare(work: &mut Work) -> Result<String> {
    let tofu = ready(work)?;
    Ok(format!("{}, {}", tofu.program, tofu.folder.display()))
}

/// Plans, shows the plan, and asks where somebody can be asked.
fn plan(work: &mut Work) -> Result<String> {
    let (out, runner, cloud) = (&work.app.out, work.app.runner(), cloud(&work.env)?);
    let tofu = ready(work)?;
    let plan = tofu.plan(runner)?;
    if out.verbose() > 0 {
        out.note(tofu.plan_text(runner)?.trim_end());
    }
    if plan.vanished.iter().any(|kind| kind == cloud.host) {
        out.warn(&format!(
            "the host of {} is gone, and not by this program; what it held went with it",
            work.env.name
        ));
    }
    for change in &plan.changes {
        out.note(&told(change, cloud));
    }
    refuse_loss(work, &plan, cloud)?;
    approve(work, &plan, cloud)?;
    work.making.changes = !plan.changes.is_empty();
    work.making.takes_over = plan.changes.iter().any(|change| change.action == Action::Adopt);
    let is_new = |change: &Change| matches!(change.action, Action::Create | Action::Replace);
    if plan.changes.iter().any(|change| change.kind == cloud.host && is_new(change)) {
        host::forget_earlier(work)?;
    }
    Ok(counted(&plan))
}

/// One line of the summary, as `  + hcloud_server NAME: cx23 in nbg1`.
fn told(change: &Change, cloud: &Cloud) -> String {
    let sign = match change.action {
        Action::Create => "+",
        Action::Update => "~",
        Action::Delete => "-",
        Action::Replace => "-/+",
        Action::Adopt => "=",
    };
    let detail = (cloud.detail)(change);
    let detail = match change.action {
        Action::Adopt => ": left by an earlier try, taken over".into(),
        _ if detail.is_empty() => detail,
        _ => format!(": {detail}"),
    };
    format!("  {sign} {}{detail}", change.named())
}

fn counted(plan: &Plan) -> String {
    let count = |wanted| plan.changes.iter().filter(|change| change.action == wanted).count();
    let counts = [
        (count(Action::Adopt), "to take over"),
        (count(Action::Create), "to create"),
        (count(Action::Update), "to change"),
        (count(Action::Replace), "to make anew"),
        (count(Action::Delete), "to remove"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    if counts.is_empty() { "nothing to change".into() } else { counts.join(", ") }
}

/// A host that was configured may hold the tracker's data: no plan takes it away unasked.
fn refuse_loss(work: &Work, plan: &Plan, cloud: &Cloud) -> Result<()> {
    let lost = |change: &&Change| {
        change.kind == cloud.host && matches!(change.action, Action::Delete | Action::Replace)
    };
    let Some(change) = plan.changes.iter().find(lost).filter(|_| work.env.stage > Stage::Provisioned) else {
        return Ok(());
    };
    let name = &work.env.name;
    Err(Error::new(Code::StateRefused, format!("the plan would remove {} with its data", change.named()))
        .why("something about the host was changed in a way that needs a new one")
        .help(format!("see what: torrust-tracker-deployer provision {name} -v"))
        .help(format!(
            "if you want a new host: torrust-tracker-deployer destroy {name} --backup, and create it again"
        )))
}

/// At a terminal the user is asked, with the plan in view.
fn approve(work: &Work, plan: &Plan, cloud: &Cloud) -> Result<()> {
    if plan.changes.is_empty() {
        return Ok(());
    }
    let cost = cloud.cost.map(|cost| format!(" {cost}.")).unwrap_or_default();
    work.approve(&format!("Apply this plan ({})?{cost}", counted(plan)))
}

fn apply(work: &mut Work) -> Result<String> {
    let (runner, cloud) = (work.app.runner(), cloud(&work.env)?);
    ready(work)?;
    work.making.began = true;
    let (work_now, tofu) = (&*work, prepared(work)?);
    patiently(runner, cloud, |again| {
        // A plan that failed half-way is stale.
        if again {
            refuse_loss(work_now, &tofu.plan(runner)?, cloud)?;
        }
        tofu.apply(runner)
    })?;
    let outputs = await_address(tofu, runner)?;
    let made = tofu.made(runner)?;
    let host = read_host(work, &outputs)?;
    let note = format!("{} at {}", made.join(", "), host.addresses_shown());
    let note = if work.making.changes { note } else { format!("as it was: {note}") };
    if let Some(moved) = work.env.host.as_ref().filter(|earlier| earlier.address != host.address) {
        work.app.out.note(&format!("the host's address was {} and is {} now", moved.address, host.address));
    }
    work.env.host = Some(host);
    work.save()?;
    Ok(note)
}

/// Does it again while the provider is at work on something else of ours, as after a killed apply; `act` is told whether
/// it was called before.
fn patiently(runner: Runner, cloud: &Cloud, mut act: impl FnMut(bool) -> Result<()>) -> Result<()> {
    let (started, mut again) = (Instant::now(), false);
    loop {
        let Err(error) = act(again) else { return Ok(()) };
        let said = error.causes().join("\n").to_lowercase();
        let busy = cloud.busy.iter().any(|words| said.contains(words));
        if !busy || started.elapsed() > BUSY_DEADLINE {
            return Err(error);
        }
        runner.out.doing("the provider is still at work on it");
        runner.pause(PAUSE)?;
        again = true;
    }
}

/// The outputs, once there is an IPv4 address among them: a host that starts has its IPv6 address first.
fn await_address(tofu: &Tofu, runner: Runner) -> Result<Variables> {
    let started = Instant::now();
    loop {
        let outputs = tofu.outputs(runner)?;
        let has_ipv4 = outputs.iter().any(|(name, _)| name == "ipv4_address");
        if has_ipv4 || started.elapsed() > ADDRESS_DEADLINE {
            return Ok(outputs);
        }
        runner.out.doing("the host has no IPv4 address yet");
        runner.pause(PAUSE)?;
        tofu.refresh(runner)?;
    }
}

fn read_host(work: &Work, outputs: &[(String, String)]) -> Result<Host> {
    let output =
        |name: &str| outputs.iter().find(|(output, _)| output == name).map(|(_, value)| value.clone());
    let (v4, v6) = (output("ipv4_address"), output("ipv6_address"));
    let Some(address) = v4.clone().or(v6.clone()) else {
        return Err(Error::new(Code::ProviderFailed, "the host was made, and has no address")
            .help("does its network give addresses? then repeat the command"));
    };
    let host = Host::new(Origin::Created, address, work.env.config.ssh_credentials.port);
    Ok(Host { address_v6: v6.filter(|_| v4.is_some()), ..host }.known(work.env.host.as_ref()))
}

/// What is at the provider by OpenTofu's state, with what it may cost, for whoever leaves it there. Nothing when nothing
/// is known to be there.
pub fn left_there(work: &Work) -> Option<String> {
    // After Ctrl-C, too: what it ended is not this question.
    let runner = Runner { out: &work.app.out, interrupt: &Interrupt::default() };
    let made = match work.making.tofu.as_ref()?.made(runner) {
        Ok(made) if made.is_empty() => return None,
        Ok(made) => made.join(", "),
        Err(_) => "nobody knows what, as OpenTofu's state cannot be read: look there".into(),
    };
    let cost = cloud(&work.env).ok()?.cost.map(|cost| format!(". {cost}")).unwrap_or_default();
    Some(format!("{made}{cost}"))
}

/// Asks the provider for what the state knows of, and changes nothing.
pub fn look(work: &mut Work) -> Result<String> {
    if !work.app.tofu_state(&work.env.name).exists() && work.env.host.is_none() {
        return Ok("nothing was made".into());
    }
    let runner = work.app.runner();
    let tofu = ready(work)?;
    tofu.plan(runner)?;
    let made = tofu.made(runner)?;
    Ok(if made.is_empty() { "nothing that OpenTofu knows of".into() } else { made.join(", ") })
}

/// Removes what OpenTofu's state knows of. See [`super::remove`].
pub fn remove(work: &mut Work, extent: Extent) -> Result<Vec<String>> {
    let nothing_now = extent == Extent::MadeNow && !work.making.began;
    let (has_state, came_through) = (work.app.tofu_state(&work.env.name).exists(), work.env.host.is_some());
    // Nothing is made before the state's file is there.
    if nothing_now || !(has_state || came_through) {
        return Ok(vec![]);
    }
    let (runner, cloud) = (work.app.runner(), cloud(&work.env)?);
    let tofu = ready(work)?;
    // After an apply that came to its end the state knows everything.
    if !(has_state && came_through) {
        tofu.adopt(runner)?;
    }
    let made = tofu.made(runner)?;
    if !made.is_empty() {
        let destroyed = patiently(runner, cloud, |_| tofu.destroy(runner));
        destroyed.map_err(|error| match left_there(work) {
            Some(left) => error.help(format!("these remain: {left}")),
            None => error,
        })?;
    }
    // Nothing is known to be there any more: a second call needs no token to say so.
    ready(work)?.forget_state()?;
    Ok(made)
}
