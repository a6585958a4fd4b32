use serde_json::json;

use super::*;
use crate::tools::tofu::Kind;

fn program() -> Program {
    Program { path: "tofu".into(), kind: Kind::OpenTofu, release: "1.12.6".into(), version: (1, 12) }
}

fn tofu() -> Tofu {
    let (folder, state) = ("build/demo/tofu".into(), "s.tfstate".into());
    Tofu { program: program(), folder, state, secrets: vec![], remedies: &[] }
}

#[test]
fn lines_of_progress_and_errors_are_read_and_others_are_not() {
    let line =
        r#"{"@level":"info","@message":"lxd_profile.host: Creating...","type":"apply_start","hook":{}}"#;
    assert_eq!(event(line), Some(Event::Progress("lxd_profile.host: Creating...".into())));
    let line = r#"{"@level":"error","type":"diagnostic","diagnostic":{"severity":"error","summary":"no","detail":"why"}}"#;
    let Some(Event::Problem(problem)) = event(line) else { panic!("no problem in {line}") };
    assert_eq!(problem.told(), "no: why");
    let warning = line.replace("severity\":\"error", "severity\":\"warning");
    assert_eq!((event(&warning), event("no json"), event(r#"{"type":"version"}"#)), (None, None, None));
}

#[test]
fn a_failure_has_the_providers_words_and_what_helps() {
    let problem =
        |summary: &str| Problem { severity: "error".into(), summary: summary.into(), detail: String::new() };
    let remedies: &[Remedy] =
        &[Remedy(&["never", "quota * used up"], "ask for more"), Remedy(&["something else"], "not this")];
    let error = failed(&program(), "apply", &[problem("The Quota is used up")], &Ran::default(), remedies);
    assert_eq!(error.message(), "OpenTofu 1.12.6 failed in apply");
    assert_eq!(
        (error.causes(), error.helps()),
        (&["The Quota is used up".to_owned()][..], &["ask for more".to_owned()][..])
    );
    let unknown = failed(&program(), "plan", &[problem("odd")], &Ran::default(), remedies);
    assert_eq!(unknown.helps().len(), 1, "never an error without help");
    let killed = failed(&program(), "apply", &[], &Ran { code: 137, ..Ran::default() }, remedies);
    assert_eq!(killed.causes(), ["it ended with 137; is the disk full? (df -h)"]);
    let json = Ran { code: 2, stdout: "{\"type\":\"version\"}\npanic: oh\n".into(), ..Ran::default() };
    assert_eq!(
        failed(&program(), "apply", &[], &json, remedies).causes(),
        ["panic: oh", "it ended with 2; is the disk full? (df -h)"]
    );
}

#[test]
fn a_registry_out_of_reach_is_told_with_the_way_to_a_mirror() {
    let stderr = "╷\n│ Error: Failed to query available provider packages\n│ \n│ Could not retrieve the list: could not connect to\n│ registry.opentofu.org\n╵\n";
    let error = init_failed(&tofu(), &Ran { code: 1, stderr: stderr.into(), ..Ran::default() });
    let why = "Error: Failed to query available provider packages Could not retrieve the list: could not connect to registry.opentofu.org";
    assert_eq!(error.causes(), [why]);
    assert!(
        error.helps()[1].contains("build/demo/tofu") && error.helps()[2].contains("filesystem_mirror"),
        "{:?}",
        error.helps()
    );
    let other = Ran {
        code: 1,
        stderr: "Error: x\nthe package doesn't match any of the checksums".into(),
        ..Ran::default()
    };
    let error = init_failed(&tofu(), &other);
    assert!(error.helps()[0].contains("rm build/demo/tofu/.terraform.lock.hcl"), "{:?}", error.helps());
}

#[test]
fn resources_and_outputs_are_read() {
    let state = json!({ "values": { "root_module": { "resources": [
        { "mode": "data", "type": "hcloud_servers", "address": "data.hcloud_servers.left", "values": {} },
        { "mode": "managed", "type": "hcloud_server", "address": "hcloud_server.host", "values": { "name": "tracker" } },
        { "mode": "managed", "type": "terraform_data", "address": "terraform_data.x", "values": {} },
    ] } } });
    assert_eq!(resources(&state), ["hcloud_server tracker", "terraform_data terraform_data.x"]);
    assert_eq!(resources(&json!({ "format_version": "1.0" })), Vec::<String>::new());
    let printed = json!({ "id": { "value": 42 }, "ipv4_address": { "value": "192.0.2.1" }, "ipv6_address": { "value": null }, "x": { "value": "" } });
    let read = outputs(&printed);
    assert_eq!(read, [("id".to_owned(), "42".to_owned()), ("ipv4_address".into(), "192.0.2.1".into())]);
}
