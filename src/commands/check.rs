//! `check`: what this machine needs for the providers in use, and with `--fix` the way there.

mod finding;
mod keys;
mod lxd;
mod machine;
mod platform;
mod programs;
mod reach;
mod scope;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::config::ProviderKind;
use crate::error::{Code, Error, Result};
use crate::output::{Format, Outcome};
use crate::tools::tofu::Kind;

use finding::{Done, Finding, Report, Status};
use machine::{Command, Machine};
use scope::Scope;

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at what this provider needs; may be given more than once [default: those of the environments, or all]
    #[arg(long, value_name = "PROVIDER", value_enum)]
    provider: Vec<ProviderKind>,
    /// Install what is missing with the system's package manager; the commands are shown first
    #[arg(long)]
    fix: bool,
}

/// Looks, mends what is asked for, and looks again: what one fix brings to light the next round mends.
pub fn run(app: &App, args: &Args) -> super::Done {
    let scope = Scope::new(app, &args.provider)?;
    let mut done = vec![];
    let items = loop {
        let items = look(app, &scope)?;
        let fixes = if args.fix { untried(&items, &done) } else { vec![] };
        if fixes.is_empty() {
            break items;
        }
        announce(app, &fixes)?;
        carry_out(app, &fixes, &mut done)?;
    };
    let report = Report::new(items, done);
    match report.failure() {
        // In JSON a failure is one document, which holds the report.
        Some(failure) if app.out.format() == Format::Json => Err(failure),
        _ => super::done(report),
    }
}

/// Everything at once where it can wait for others; programs one after the other, as each answers at once.
fn look(app: &App, scope: &Scope) -> Result<Vec<Finding>> {
    let lxd = scope.lxd().map(|wanted| std::thread::spawn(move || lxd::look(&wanted)));
    let registries: Vec<_> = scope
        .registries()
        .into_iter()
        .map(|name| std::thread::spawn(move || vec![reach::containers(&name)]))
        .collect();
    let runner = app.runner();
    let tofu = scope
        .tofu_users()
        .map(|users| programs::tofu(runner, app.tofu_bin().as_deref(), users))
        .transpose()?;
    let providers = tofu.as_ref().filter(|_| !reach::has_mirror()).map(|(_, kind)| {
        let registry = kind.unwrap_or(Kind::OpenTofu).registry();
        std::thread::spawn(move || vec![reach::providers(registry)])
    });
    let mut items = programs::openssh(runner)?.to_vec();
    items.extend(keys::look(&scope.environments));
    items.extend(platform::look(&scope.environments));
    items.push(programs::ansible(runner)?);
    if let Some(purpose) = scope.docker_purpose() {
        items.extend(programs::docker(runner, purpose)?);
    }
    items.extend(tofu.map(|(finding, _)| finding));
    for waiting in lxd.into_iter().chain(providers).chain(registries) {
        items.extend(joined(app, waiting)?);
    }
    if items.iter().any(|item| item.lack.is_some()) {
        let machine = Machine::look(runner)?;
        for item in &mut items {
            item.fix = item.lack.as_ref().map(|lack| machine.fix(lack)).unwrap_or_default();
        }
    }
    Ok(items)
}

/// Waits so that Ctrl-C is heard; a look that was left alone ends with the program.
fn joined(app: &App, waiting: JoinHandle<Vec<Finding>>) -> Result<Vec<Finding>> {
    while !waiting.is_finished() {
        app.interrupt.check()?;
        std::thread::sleep(Duration::from_millis(10));
    }
    waiting.join().map_err(|_| Error::new(Code::Internal, "a look at this machine broke off"))
}

/// The commands for each thing that is missing. What fixes have in common is done once; one that failed, or came to
/// its end without effect, is not tried again.
fn untried(items: &[Finding], done: &[Done]) -> Vec<Vec<Command>> {
    let failed =
        |command: &Command| done.iter().any(|done| done.failure.is_some() && done.command == *command);
    let ended = |run: &[Command]| run.last().is_none_or(|last| done.iter().any(|done| done.command == *last));
    let mut known: Vec<&Command> = vec![];
    let mut fixes = vec![];
    for Finding { fix, .. } in items.iter().filter(|item| item.status == Status::Missing) {
        if ended(&fix.run) || fix.run.iter().any(failed) {
            continue;
        }
        let new: Vec<&Command> = fix.run.iter().filter(|command| !known.contains(command)).collect();
        fixes.push(new.iter().map(|&command| command.clone()).collect());
        known.extend(new);
    }
    fixes.retain(|fix: &Vec<Command>| !fix.is_empty());
    fixes
}

/// Says what will be run, and asks where there is somebody to ask.
fn announce(app: &App, plan: &[Vec<Command>]) -> Result<()> {
    let mut lines: Vec<String> =
        plan.iter().flatten().map(|command| format!("  {}", command.shown())).collect();
    lines.insert(0, "these commands will be run:".into());
    let text = lines.join("\n");
    if !app.out.can_ask() {
        app.out.note(&text);
        return Ok(());
    }
    if !app.out.ask(&format!("{text}\nrun them?"), &app.interrupt)? {
        return Err(
            Error::new(Code::Declined, "nothing was installed").help("type those that you want yourself")
        );
    }
    if plan.iter().flatten().any(Command::needs_sudo) {
        // It asks for the password here and now; the programs themselves are run where it could not.
        let _ = std::process::Command::new("sudo").arg("-v").status();
        app.interrupt.check()?;
    }
    Ok(())
}

/// Runs the commands. One that fails ends those for the same thing; the others go on.
fn carry_out(app: &App, plan: &[Vec<Command>], done: &mut Vec<Done>) -> Result<()> {
    let total = plan.iter().map(Vec::len).sum();
    let mut number = 0;
    for fix in plan {
        for (place, command) in fix.iter().enumerate() {
            let failure = carry_out_one(app, command, number + place + 1, total)?;
            let failed = failure.is_some();
            done.push(Done { command: command.clone(), failure });
            if failed {
                break;
            }
        }
        number += fix.len();
    }
    Ok(())
}

/// What the program said when it failed.
fn carry_out_one(app: &App, command: &Command, number: usize, total: usize) -> Result<Option<String>> {
    let began = Instant::now();
    app.out.step_started(number, total, &command.shown());
    let ran = app.runner().talk(&command.cmd(), |_, line, input| {
        input.close();
        app.out.doing(line);
        Ok(())
    });
    let said = match ran {
        Ok(ran) if ran.ok() => {
            app.out.step_done(began.elapsed(), "");
            return Ok(None);
        }
        Ok(ran) => ran.complaint(),
        Err(error) if error.code() == Code::Interrupted => return Err(error),
        Err(error) => error.to_string(),
    };
    app.out.step_failed(began.elapsed());
    app.out.warn(&format!("{} failed:\n{said}", command.shown()));
    Ok(Some(said))
}
