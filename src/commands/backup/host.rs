//! The host's side: the scripts of `templates/backup/` travel with each call, and answer with one fact a line.

use super::id::{self, BackupId};
use crate::bundle;
use crate::digest::is_hex;
use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Input, Ran, Stream};
use crate::render::Templates;
use crate::services;
use crate::store::Environment;
use crate::story::Work;
use crate::tools::ssh::Ssh;

/// A backup on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHost {
    /// Its ID.
    pub id: BackupId,
    /// Its size.
    pub bytes: u64,
    /// The checksum taken when it was made; none when that is gone.
    pub sha256: Option<String>,
    /// Whether it has that checksum now; nothing when nobody looked.
    pub whole: Option<bool>,
}

impl OnHost {
    /// Those that were brought from elsewhere have the beginning of their checksum in the name.
    fn was_brought(&self) -> bool {
        self.id.matches('-').count() > 1
    }
}

/// A script's call: the folder of all scripts, then what the caller adds.
///
/// # Errors
/// A template does not fit.
pub fn tool(ssh: &Ssh, env: &Environment, program: &str, args: &[&str]) -> Result<Cmd> {
    let tools = services::backup::tools(env)?;
    let tar =
        bundle::pack(tools.iter().map(|file| (file.path.rsplit('/').next().unwrap_or_default(), file)))?;
    let script = Templates::of(env)?.text("host/with-tools.sh")?;
    let bytes = tar.len().to_string();
    let words: Vec<&str> = [bytes.as_str(), program].iter().chain(args).copied().collect();
    Ok(ssh.root(&script, &words).input(tar))
}

/// Calls a script; `hear` gets each fact, a word and the rest, and may answer.
///
/// # Errors
/// What the script refuses or fails at.
pub fn call(
    work: &mut Work,
    program: &str,
    args: &[&str],
    mut hear: impl FnMut(&str, &str, &mut Input) -> Result<()>,
) -> Result<Ran> {
    let env = work.env.clone();
    let ssh = work.ssh()?;
    let cmd = tool(ssh, &env, program, args)?;
    listen(ssh, &env, &cmd, &mut hear)
}

/// Runs such a call to its end; see [`call`].
///
/// # Errors
/// As [`call`].
pub fn listen(
    ssh: &Ssh,
    env: &Environment,
    cmd: &Cmd,
    hear: &mut impl FnMut(&str, &str, &mut Input) -> Result<()>,
) -> Result<Ran> {
    let runner = ssh.runner();
    let ran = runner.talk(cmd, |stream, line, input| {
        if stream == Stream::Err {
            return Ok(());
        }
        match line.split_once(' ').unwrap_or((line, "")) {
            ("doing", what) => {
                runner.out.doing(what);
                Ok(())
            }
            (word, rest) => {
                id::judge(word, rest)?;
                hear(word, rest, input)
            }
        }
    })?;
    let ran = ssh.judge(ran)?;
    if ran.ok() { Ok(ran) } else { Err(refusal(env, &ran)) }
}

/// The script's first complaint is what happened, the rest is why; a backup says that last, for its log. Its word says what
/// would help.
fn refusal(env: &Environment, ran: &Ran) -> Error {
    let name = &env.name;
    let refused = ran.stdout.lines().find_map(|line| line.strip_prefix("refused "));
    let word = refused.map(|refused| refused.split_once(' ').unwrap_or((refused, "")));
    let (code, help) = match word {
        Some(("full", _)) => (
            Code::HostDiskFull,
            "make room on the host; what fills it: sudo du -xh / --max-depth 2 | sort -h | tail".to_owned(),
        ),
        Some(("busy", _)) => {
            (Code::EnvironmentLocked, "wait until it ends, then repeat the command".to_owned())
        }
        Some(("invalid", _)) => (
            Code::BackupInvalid,
            format!("see which are whole: torrust-tracker-deployer backup {name} list --check"),
        ),
        Some(("partial", _)) => (
            Code::DatabaseRefused,
            format!(
                "restore a complete database: torrust-tracker-deployer backup {name} restore ID; its IDs: backup {name} list"
            ),
        ),
        Some(("none", _)) => {
            (Code::BackupNotFound, format!("deploy it first: torrust-tracker-deployer deploy {name}"))
        }
        Some(("foreign", _)) => {
            (Code::StateRefused, "use another host, or destroy that environment first".to_owned())
        }
        Some(("half", id)) => (
            Code::StateRefused,
            format!("end or undo it: torrust-tracker-deployer backup {name} restore {}", id::typed(id)),
        ),
        _ => (Code::BackupFailed, "mend the cause, then repeat the command".to_owned()),
    };
    let mut said: Vec<&str> = ran.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    said.sort_by_key(|line| !line.starts_with("backup failed: "));
    let mut said = said.into_iter();
    let message = said.next().unwrap_or("the host's script failed without a word").to_owned();
    Error::new(code, message).why(said.take(10).collect::<Vec<_>>().join("\n")).help(help)
}

/// The backups on the host, the oldest first.
///
/// # Errors
/// The host does not tell.
pub fn backups(ssh: &Ssh, env: &Environment, check: bool) -> Result<Vec<OnHost>> {
    let cmd = tool(ssh, env, "list.sh", if check { &["check"] } else { &[] })?;
    let ran = listen(ssh, env, &cmd, &mut |_, _, _| Ok(()))?;
    Ok(ran.stdout.lines().filter_map(backup).collect())
}

/// `backup ID BYTES SHA256 STATE`.
fn backup(line: &str) -> Option<OnHost> {
    let words: Vec<&str> = line.strip_prefix("backup ")?.split(' ').collect();
    let [id, bytes, sum, state] = words[..] else { return None };
    Some(OnHost {
        id: id.parse().ok()?,
        bytes: bytes.parse().ok()?,
        sha256: is_hex(sum, 64).then(|| sum.to_owned()),
        whole: (state != "unchecked").then_some(state == "ok"),
    })
}

/// The backup of this ID on the host, or the `latest` of those that were made there.
///
/// # Errors
/// `backup_not_found`, which names those that there are.
pub fn find(work: &mut Work, id: &str) -> Result<OnHost> {
    let env = work.env.clone();
    let all = backups(work.ssh()?, &env, false)?;
    let wanted = id.strip_suffix(".tar.gz").unwrap_or(id);
    let found = if wanted == "latest" {
        all.iter().rfind(|backup| !backup.was_brought())
    } else {
        all.iter().find(|backup| *backup.id == *wanted)
    };
    found.cloned().ok_or_else(|| not_found(&env, wanted, &all))
}

/// How many of them an error names.
const SHOWN: usize = 5;

fn not_found(env: &Environment, id: &str, all: &[OnHost]) -> Error {
    let name = &env.name;
    if all.is_empty() {
        return Error::new(Code::BackupNotFound, format!("there is no backup on the host of {name} yet"))
            .help(format!("make one: torrust-tracker-deployer backup {name} create"));
    }
    let newest: Vec<&str> = all.iter().rev().take(SHOWN).map(|backup| &*backup.id).collect();
    let more =
        if all.len() > SHOWN { format!(" and {} older ones", all.len() - SHOWN) } else { String::new() };
    Error::new(Code::BackupNotFound, format!("there is no backup {id} on the host of {name}"))
        .why(format!("there are {}{more}", newest.join(", ")))
        .help(format!("see all: torrust-tracker-deployer backup {name} list"))
        .help(format!("one that was fetched: torrust-tracker-deployer backup {name} restore --from FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_a_backup() {
        let sum = "0".repeat(64);
        let one = |state| backup(&format!("backup 20260131T030000Z-12 4096 {sum} {state}")).unwrap();
        assert_eq!(
            (one("ok").whole, one("damaged").whole, one("unchecked").whole),
            (Some(true), Some(false), None)
        );
        assert_eq!((one("ok").bytes, one("ok").sha256), (4096, Some(sum.clone())));
        assert_eq!(backup("backup 20260131T030000Z-12 4096 - unchecked").unwrap().sha256, None);
        assert_eq!(backup("noise"), None);
        assert_eq!(backup(&format!("backup ../../x 4096 {sum} ok")), None);
        assert_eq!(backup("backup 20260131T030000Z-12 4096 ../../../../../../../../../../../../../../../../../../../../../../x ok").unwrap().sha256, None);
    }
}
