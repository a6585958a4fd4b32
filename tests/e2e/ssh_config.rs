//! The user's own SSH configuration: what helps to reach the host holds, nothing else reaches our sessions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, Ran};
use crate::host::{Host, eventually};

/// All that a session could get from there, and must not.
const MEDDLING: &str = "
  ForwardAgent yes
  ForwardX11 yes
  PermitLocalCommand yes
  LocalCommand touch MARK
  RemoteCommand echo from the configuration
  SessionType none
  StdinNull yes
  ForkAfterAuthentication yes
  RequestTTY force
  LocalForward 127.0.0.1:1 127.0.0.1:22
  RemoteForward 127.0.0.1:47001 127.0.0.1:22
  ExitOnForwardFailure yes
  PubkeyAuthentication no
  PreferredAuthentications password
  NoHostAuthenticationForLocalhost yes
  StrictHostKeyChecking no
  VisualHostKey yes
  LogLevel QUIET
  User nobody
  Port 1
  ControlMaster auto
";

/// Has the desk's `ssh` read this configuration in place of the machine user's own.
fn with_config(desk: &mut Desk, config: &str) {
    let folder = desk.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let file = desk.write("ssh_config", config);
    let program = folder.join("ssh");
    fs::write(&program, format!("#!/bin/sh\nexec /usr/bin/ssh -F \"{file}\" \"$@\"\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), crate::lab::path());
    desk.variables = vec![("PATH", path), ("SSH_AUTH_SOCK", "/nowhere/agent".into())];
}

#[test]
fn only_what_helps_to_reach_the_host_holds() {
    let mut desk = Desk::new();
    let host = Host::configured(&desk);
    let mark = desk.path("mark").display().to_string();
    // The name exists in this configuration alone.
    let config = format!(
        "Host lab-alias.invalid\n  HostName {}\nHost *{}",
        host.address,
        MEDDLING.replace("MARK", &format!("\"{mark}\""))
    );
    with_config(&mut desk, &config);
    desk.create(&desk.config());
    let alias = desk.run(&["register", &desk.name, "--instance-ip", "lab-alias.invalid"]);
    alias.fails("usage").helps(&format!("--instance-ip {}", host.address));
    desk.run(&["register", &desk.name, "--instance-ip", &host.address]).ok();
    desk.deploy();
    desk.run(&["status", &desk.name]);
    let Ran { out, code, .. } =
        desk.run_in_text(&["ssh", &desk.name, "--", "echo $SSH_AUTH_SOCK:$SSH_TTY; exit 255"]);
    assert_eq!((code, out.as_str()), (Some(255), ":\n"));
    assert!(!desk.path("mark").exists(), "LocalCommand ran");
    assert!(!host.succeeds("ss -Hltn | grep -q 47001"), "a port of this machine is forwarded");
}

#[test]
fn a_host_that_allows_no_sessions_is_named() {
    let desk = Desk::new();
    let host = Host::pristine(&desk);
    desk.create(&desk.config());
    host.exec("echo 'MaxSessions 0' >/etc/ssh/sshd_config.d/00-test.conf; systemctl restart ssh");
    eventually("sshd is back", || host.succeeds("ss -Hltn sport = :22 | grep -q ."));
    let register = || desk.run(&["register", &desk.name, "--instance-ip", &host.address]);
    register().fails("ssh_unreachable").helps("MaxSessions 10");
    host.exec("echo 'MaxSessions 1' >/etc/ssh/sshd_config.d/00-test.conf; systemctl restart ssh");
    eventually("sshd is back", || host.succeeds("ss -Hltn sport = :22 | grep -q ."));
    register().ok();
}
