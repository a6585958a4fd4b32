//! Hosts on which other people have something, or which had a bad day: nothing of theirs is lost, and one command is enough.

use crate::desk::Desk;
use crate::host::eventually;

#[test]
fn repaired_crash_loop_runs_after_one_deploy() {
    let (desk, host, _) = Desk::with_running(|_| {});
    host.exec("cd /opt/torrust && echo '[[broken' >>storage/tracker/etc/tracker.toml && docker compose restart tracker");
    // By then Docker waits for more than ten seconds before each start.
    let restarts = || host.exec("docker inspect --format '{{.RestartCount}}' $(docker ps --all --quiet)");
    eventually("the tracker ended seven times", || restarts().parse::<u32>().unwrap() >= 7);
    assert_eq!(desk.deploy()["changed"], true);
    assert_eq!(restarts(), "0");
    desk.test();
    assert_eq!(desk.deploy()["changed"], false, "nothing is restarted without a cause");
}
