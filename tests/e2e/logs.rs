//! The containers' logs, and a way to the host, over real SSH.

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::Desk;
use crate::host::{Host, eventually};

/// What the tracker's container has said, as Docker tells it.
fn said(host: &Host) -> Vec<String> {
    let logs = host.exec("docker logs torrust-deployer-stack-tracker-1 2>&1 | sed 's/\\x1b\\[[0-9;]*m//g'");
    logs.lines().map(str::to_owned).collect()
}

/// Logs that are followed into a file.
struct Following<'d> {
    desk: &'d Desk,
    child: Child,
}

impl<'d> Following<'d> {
    fn start(desk: &'d Desk) -> Self {
        let file = |name| fs::File::create(desk.path(name)).unwrap();
        let mut command = desk.plain(&["logs", &desk.name, "tracker", "-f", "--tail", "1"]);
        Self { desk, child: command.stdout(file("lines")).stderr(file("told")).spawn().unwrap() }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.desk.path(name)).unwrap()
    }

    /// Ctrl-C; the exit code.
    fn end(mut self) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.read("lines"), self.read("told"))
    }
}

#[test]
fn logs_go_on_over_restarts_and_broken_connections() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.deploy_on(&host);
    check_ssh(&desk);

    let document = desk.run(&["logs", &desk.name, "--tail", "3"]).ok();
    let lines = document["lines"].as_array().unwrap();
    assert!(lines.len() == 3 && lines.iter().all(|line| line["service"] == "tracker"), "{document:#}");
    let future = desk.run(&["logs", &desk.name, "--since", "2999-01-01"]).ok();
    assert_eq!(future["lines"].as_array().unwrap().len(), 0);

    let before = said(&host).len();
    let following = Following::start(&desk);
    eventually("the last line is told", || !following.read("lines").is_empty());
    host.exec("docker restart torrust-deployer-stack-tracker-1");
    eventually("the restart is told", || following.read("told").contains("tracker runs again"));
    host.exec("pkill -f '[s]shd.*torrust@notty'; docker restart torrust-deployer-stack-tracker-1");
    eventually("the connection is back", || following.read("told").contains("connected again"));
    let all = said(&host);
    let wanted: Vec<_> = all[before - 1..].iter().map(|line| line.trim_end()).collect();
    eventually("all is told", || following.read("lines").lines().count() >= wanted.len());

    // A container that is made anew is another one, with a log of its own.
    host.exec("cd /opt/torrust && docker compose up --detach --force-recreate tracker");
    eventually("the new container is told", || {
        following.read("told").contains("tracker has a new container")
    });
    // With its time no other line is like it.
    let first = |lines: &[String]| lines.iter().position(|line| line.starts_with("20"));
    eventually("its lines are told", || {
        let anew = said(&host);
        first(&anew).is_some_and(|place| following.read("lines").contains(anew[place].trim_end()))
    });
    let (code, lines, told) = following.end();
    assert_eq!(code, Some(130));
    assert!(told.contains("the connection to "), "{told}");
    let heard: Vec<_> = lines.lines().map(str::trim_end).collect();
    // It goes on to speak after we have left.
    let anew = said(&host);
    let anew: Vec<_> = anew[first(&anew).unwrap()..].iter().map(|line| line.trim_end()).collect();
    let start = heard.iter().position(|line| *line == anew[0]).unwrap();
    assert_eq!(heard[start..], anew[..heard.len() - start]);
    // What the old container said last of all nobody can ask for any more; all up to then came once, in its order.
    assert_eq!(heard[..wanted.len()], wanted, "{told}");
}

/// Streams, exit codes and quoting are those of the command; standard input reaches it.
fn check_ssh(desk: &Desk) {
    let ran = desk.plain(&["ssh", &desk.name, "--", "echo out; echo err >&2; exit 7"]).output().unwrap();
    assert_eq!((ran.status.code(), &*ran.stdout, &*ran.stderr), (Some(7), &b"out\n"[..], &b"err\n"[..]));
    let ran =
        desk.plain(&["ssh", &desk.name, "--", "printf", "%s|", "a  b", "$HOME", "it's"]).output().unwrap();
    assert_eq!(ran.stdout, b"a  b|$HOME|it's|");
    let mut child =
        desk.plain(&["ssh", &desk.name, "--", "sha256sum"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&vec![0; 1 << 20]).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(
        ran.stdout.starts_with(b"30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"),
        "{ran:?}"
    );
    let ran =
        desk.plain(&["ssh", &desk.name, "--", "pkill -f '[s]shd.*torrust@notty'; sleep 5"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("the connection to "), "{ran:?}");
}
