//! What OpenTofu prints, and what it means.

use serde::Deserialize;
use serde_json::Value;

use super::Tofu;
use super::program::Program;
use crate::error::{Code, Error};
use crate::output::shown_path;
use crate::process::Ran;

/// What helps: complaints by their words, in lower case and with `*` for what differs, and what to do or type then.
pub struct Remedy(pub &'static [&'static str], pub &'static str);

impl Remedy {
    /// Whether it helps with what was said, in lower case.
    #[must_use]
    pub fn fits(&self, said: &str) -> bool {
        self.0.iter().any(|pattern| said.lines().any(|line| has(line, pattern)))
    }
}

/// Whether the parts of a pattern are in a line, one after the other.
fn has(line: &str, pattern: &str) -> bool {
    pattern.split('*').try_fold(line, |rest, part| rest.split_once(part).map(|(_, after)| after)).is_some()
}

/// Remedies for what goes wrong with any provider.
const REMEDIES: &[Remedy] = &[
    Remedy(
        &["error acquiring the state lock"],
        "another OpenTofu works on this host; when it has ended, repeat the command: it goes on from there",
    ),
    Remedy(&["no space left on device"], "this machine's disk is full: make room, then repeat the command"),
];

/// A problem that OpenTofu or the provider reports.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Problem {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn told(&self) -> String {
        let lines = self.detail.lines().map(str::trim_end).filter(|line| !line.is_empty());
        match lines.collect::<Vec<_>>().join("\n").as_str() {
            "" => self.summary.clone(),
            detail => format!("{}: {detail}", self.summary),
        }
    }
}

/// One line of `-json`.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// What it is doing.
    Progress(String),
    /// What went wrong.
    Problem(Problem),
}

/// Reads a line; other lines than these two kinds say nothing that we need.
pub fn event(line: &str) -> Option<Event> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = || line["@message"].as_str().map(str::to_owned);
    match line["type"].as_str()? {
        "apply_start" | "apply_progress" | "apply_complete" | "apply_errored" | "refresh_start"
        | "planned_change" | "resource_drift" => text().map(Event::Progress),
        "diagnostic" => {
            let problem: Problem = serde_json::from_value(line["diagnostic"].clone()).ok()?;
            (problem.severity == "error").then_some(Event::Problem(problem))
        }
        _ => None,
    }
}

/// The error of a call that failed: the provider's words, and what helps.
pub fn failed(program: &Program, doing: &str, problems: &[Problem], ran: &Ran, remedies: &[Remedy]) -> Error {
    let told: Vec<String> = match problems {
        // It ended before it spoke JSON, or was killed.
        [] => {
            vec![spoken(&ran.complaint()), format!("it ended with {}; is the disk full? (df -h)", ran.code)]
        }
        problems => problems.iter().map(Problem::told).collect(),
    };
    let said = told.join("\n").to_lowercase();
    let error = Error::new(Code::TofuFailed, format!("{program} failed in {doing}"));
    let error = told.iter().fold(error, Error::why);
    let fitting = REMEDIES.iter().chain(remedies).filter(|remedy| remedy.fits(&said));
    let helps: Vec<&str> = fitting.map(|Remedy(_, help)| *help).collect();
    match helps[..] {
        [] => error.help("mend the cause, then repeat the same command: it goes on from here"),
        _ => helps.into_iter().fold(error, Error::help),
    }
}

/// What was written for people among the lines of JSON.
fn spoken(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n")
}

/// The provider's program cannot be had, or the state not be opened.
pub fn init_failed(tofu: &Tofu, ran: &Ran) -> Error {
    let Tofu { program, folder, state, .. } = tofu;
    let said = plain_errors(&ran.stderr).unwrap_or_else(|| ran.complaint());
    let error = Error::new(Code::TofuFailed, format!("{program} cannot prepare the provider")).why(&said);
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if says(&["doesn't match any of the checksums", "do not match any of the checksums"]) {
        let lock = shown_path(&folder.join(".terraform.lock.hcl"));
        return error
            .why("the program of the provider is another one than before, as after a change of mirror")
            .help(format!("if you trust it: rm {lock}; then repeat the command"));
    }
    if says(&[
        "Failed to query available provider packages",
        "Failed to install provider",
        "could not connect to",
    ]) {
        let (registry, tool) = (program.kind.registry(), &program.path);
        return error
            .help(format!("is the registry reachable from here? try: curl -sSI https://{registry}"))
            .help(format!(
                "without a way to it, use a mirror: where there is one, with a copy of {}: {tool} providers mirror DIR",
                shown_path(folder)
            ))
            .help("then here: export TF_CLI_CONFIG_FILE=FILE, one whose provider_installation names DIR as filesystem_mirror");
    }
    if says(&["state file", "state data"]) {
        let state = shown_path(state);
        return error.why(format!("the state is {state}")).help(format!(
            "put it aside, then repeat the command, which finds what was made: mv {state} {state}.damaged"
        ));
    }
    let error = match std::env::var("TF_CLI_CONFIG_FILE") {
        Ok(file) if !file.is_empty() => error.why(format!("TF_CLI_CONFIG_FILE is {file}")),
        _ => error,
    };
    error.help("mend the cause, then repeat the same command")
}

/// The errors in output for people, unwrapped: each block from `Error:` on, without the frame around it.
fn plain_errors(text: &str) -> Option<String> {
    let lines = text.lines().map(|line| line.trim_start_matches(['│', '╷', '╵']).trim());
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let first = lines.iter().position(|line| line.starts_with("Error:"))?;
    Some(lines[first..].join(" ").replace(" Error: ", "\nError: "))
}

/// The resources in `show -json`, each as `TYPE NAME`, without what was only looked up.
pub fn resources(shown: &Value) -> Vec<String> {
    let list = shown["values"]["root_module"]["resources"].as_array();
    let named = |resource: &Value| {
        let name = resource["values"]["name"].as_str().or(resource["address"].as_str());
        Some(format!("{} {}", resource["type"].as_str()?, name?))
    };
    let managed = list.into_iter().flatten().filter(|resource| resource["mode"] == "managed");
    managed.filter_map(named).collect()
}

/// The values in `output -json`.
pub fn outputs(outputs: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let all = outputs.as_object().into_iter().flatten();
    let all = all.map(|(name, output)| (name.clone(), text(&output["value"])));
    all.filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests;
