//! Ansible: one playbook in one process, over the SSH connection that is open already.
//!
//! What the playbook prints is described at the head of `templates/ansible/configure.yml`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Ran, Runner};

/// One line of the playbook's report: what was observed on the host after the fact.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Observed {
    /// What was looked at, such as `Firewall`.
    pub what: String,
    /// `ok`, `changed`, `skipped`, `not permitted` or `failed`.
    pub state: String,
    /// What was seen.
    pub detail: String,
    /// Rules of the firewall that this run added.
    #[serde(default)]
    pub added: Vec<String>,
    /// Those that it removed.
    #[serde(default)]
    pub removed: Vec<String>,
}

/// The playbook in this folder.
#[must_use]
pub fn playbook(folder: &Path, name: &str) -> Cmd {
    let mut cmd = Cmd::new("ansible-playbook", ["-i", "inventory.yml", name])
        .env("ANSIBLE_CONFIG", "ansible.cfg")
        .env("ANSIBLE_NOCOLOR", "1")
        // The user's own taste in output would hide the report from us.
        .env("ANSIBLE_FORCE_COLOR", "0")
        .env("ANSIBLE_STDOUT_CALLBACK", "default")
        .env("ANSIBLE_CALLBACK_RESULT_FORMAT", "json")
        .env("ANSIBLE_DISPLAY_OK_HOSTS", "1")
        .env("LC_ALL", "C.UTF-8");
    cmd.folder = Some(folder.to_owned());
    cmd
}

/// Runs the playbook; its tasks are what the step is doing.
///
/// # Errors
/// `tool_missing`; `ansible_failed` with the failed task and its words.
pub fn run(runner: Runner, cmd: &Cmd) -> Result<Vec<Observed>> {
    let mut task = String::new();
    let mut failure: Option<(String, String)> = None;
    let mut observed = vec![];
    let ran = runner.talk(cmd, |_, line, input| {
        input.close();
        if let Some(title) = task_title(line) {
            runner.out.doing(title);
            title.clone_into(&mut task);
        } else if let Some(why) = fatal(line) {
            // A rescue block says last, and best, what failed.
            failure = Some((task.clone(), why));
        } else if let Some(report) = report(line) {
            observed = report;
        }
        Ok(())
    })?;
    if !ran.ok() {
        return Err(failed(failure, &ran));
    }
    // A playbook that reached no host ends well too.
    if observed.is_empty() {
        return Err(Error::new(Code::AnsibleFailed, "Ansible ended without a report of what it saw")
            .why(ran.complaint()));
    }
    Ok(observed)
}

fn failed(failure: Option<(String, String)>, ran: &Ran) -> Error {
    let (task, why) = failure.unwrap_or_else(|| ("the playbook".into(), ran.complaint()));
    Error::new(Code::AnsibleFailed, format!("Ansible failed in \"{task}\""))
        .why(why)
        .help("mend the cause, then repeat the command: what is done already is not done again")
        .help("see every task with -v")
}

fn task_title(line: &str) -> Option<&str> {
    let title = line.strip_prefix("TASK [").or_else(|| line.strip_prefix("RUNNING HANDLER ["))?;
    title.rsplit_once(']').map(|(title, _)| title)
}

/// The words of `fatal: [host]: FAILED! => {…}`.
fn fatal(line: &str) -> Option<String> {
    let (_, json) = line.strip_prefix("fatal: [")?.split_once("=> ")?;
    let Ok(value) = serde_json::from_str::<Value>(json) else { return Some(json.to_owned()) };
    let words = ["msg", "stderr", "stdout"].iter().filter_map(|field| value[field].as_str()).map(str::trim);
    let words: Vec<&str> = words.filter(|text| !text.is_empty()).collect();
    Some(words.join("\n"))
}

/// The list behind `"msg": "RESULTS […]"`.
fn report(line: &str) -> Option<Vec<Observed>> {
    let text = line.trim().strip_prefix("\"msg\": ")?.trim_end_matches(',');
    let text: String = serde_json::from_str(text).ok()?;
    serde_json::from_str(text.strip_prefix("RESULTS ")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_and_its_failure_are_read() {
        assert_eq!(task_title("TASK [Install docker.io [all]] ****"), Some("Install docker.io [all]"));
        let line =
            r#"fatal: [tracker]: FAILED! => {"changed": false, "msg": "No package", "stderr": "E: x\n"}"#;
        assert_eq!(fatal(line).as_deref(), Some("No package\nE: x"));
        assert_eq!(fatal("ok: [tracker]"), None);
    }

    #[test]
    fn the_report_is_read() {
        let line =
            r#"    "msg": "RESULTS [{\"what\": \"Firewall\", \"state\": \"ok\", \"detail\": \"active\"}]""#;
        let seen = Observed {
            what: "Firewall".into(),
            state: "ok".into(),
            detail: "active".into(),
            ..Observed::default()
        };
        assert_eq!(report(line), Some(vec![seen]));
    }
}
