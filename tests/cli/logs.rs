//! `logs` on a host that is played by a fake: order, names, secrets, and connections that break.

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, finish, snapshot};

const TOKEN: &str = "Sesame0penUp7hisI5TheSecretWord";

/// What every call of `ssh` has to do that is no session.
/// A session that ends with 255 is one whose connection broke.
const CONNECTS: &str =
    "case \" $* \" in *' -O exit '* | *' ControlMaster=yes '*) exit 0 ;; *' -O check '*) exit 255 ;; esac";

/// Two containers; what they said comes one after the other, and is older and newer in turn.
const TWO: &str = r#"
printf '%s\n' 'container t1 tracker' 'container p1 prometheus' 'ready 1767323100.5'
while read -r word id rest; do
  echo "$word $id $rest" >>asked
  case $id in
    t1) printf 'line t1 2026-01-02T03:04:0%s\n' '1.000000000Z first' '3.000000000Z token Sesame0penUp7hisI5TheSecretWord' ;;
    p1) printf 'line p1 2026-01-02T03:04:0%s\n' '2.000000000Z second' '4.000000000Z' ;;
  esac
  echo "end $id"
done
"#;

fn world(ssh: &str) -> World {
    let world = World::with_tools();
    world.environment("demo", "running");
    world.edit_state("demo", |state| {
        state["config"]["prometheus"] = serde_json::json!({});
        state["config"]["tracker"]["http_api"]["admin_token"] = TOKEN.into();
    });
    world.fake("ssh", &format!("{CONNECTS}\n{ssh}"));
    world
}

#[test]
fn lines_of_all_services_come_in_the_order_of_time_with_names_and_without_secrets() {
    let world = world(TWO);
    snapshot!(world, &["logs", "demo"]);
    let document = world.json(&["logs", "demo"]);
    assert_eq!(document["lines"][1]["service"], "prometheus");
    assert_eq!(document["lines"][2]["text"], "token ********");
    assert_eq!(document["lines"][3]["text"], "");
    assert_eq!(world.history("demo").last().unwrap()["command"], "logs");
}

#[test]
fn a_single_service_comes_without_its_name_and_options_reach_docker() {
    let world = world(TWO);
    let output = world.ok(&["logs", "demo", "prometheus", "--tail", "7", "--since", "10m"]);
    assert_eq!(output.stdout, "second\n\n");
    assert_eq!(world.read("asked"), "show p1 --tail=7 --since=600s\n");
}

#[test]
fn what_cannot_be_shown_is_refused_with_what_to_type() {
    let world = world("printf '%s\\n' 'ready 1'; cat >/dev/null");
    let refusal = world.refusal(&["logs", "demo", "trackr"]);
    assert_eq!((refusal.exit, refusal.message.as_str()), (Some(2), "demo has no service trackr"));
    assert_eq!(refusal.help, "its services are: tracker, prometheus");
    assert_eq!(world.refusal(&["logs", "demo", "--since", "soon"]).exit, Some(2));
    assert_eq!(world.refusal(&["logs", "demo", "--follow"]).code, "usage");
    let nothing = world.refusal(&["logs", "demo"]);
    assert_eq!(
        (nothing.code.as_str(), nothing.help.as_str()),
        ("state_refused", "start them: torrust-tracker-deployer run demo")
    );
    for stage in ["created", "provisioned", "configured", "destroyed"] {
        world.environment(stage, stage);
        assert_eq!(world.refusal(&["logs", stage]).code, "state_refused", "{stage}");
    }
}

/// The first session breaks, the second one has its last lines again.
#[test]
fn a_broken_connection_is_told_and_nothing_comes_twice() {
    let world = world(
        r#"
echo 'container t1 tracker'
echo 'ready 1767323100.5'
said() { printf 'line t1 2026-01-02T03:04:0%s\n' "$@"; }
while read -r word id rest; do
  echo "$word $id $rest" >>asked
  case "$(wc -l <asked)" in
    1) said '1.000000000Z one'; echo end t1 ;;
    2) said '2.000000000Z two' '2.000000000Z three'; exit 255 ;;
    3) said '2.000000000Z two' '2.000000000Z three' '2.000000000Z four'; echo end t1 ;;
    4) said '2.000000000Z two' '2.000000000Z three' '2.000000000Z four' '5.000000000Z five'; touch all ;;
  esac
done
"#,
    );
    let child = world.command(&["logs", "demo", "-f", "tracker"]).spawn().unwrap();
    world.wait_for("all");
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = finish(child);
    assert_eq!((output.code, output.stdout.as_str()), (Some(130), "one\ntwo\nthree\nfour\nfive\n"));
    assert_eq!(
        output.stderr,
        "warning: the connection to 192.0.2.7 broke; trying again every 2 s\nconnected again\n"
    );
    let (one, three) = ("--since=2026-01-02T03:04:01.000000000Z", "--since=2026-01-02T03:04:02.000000000Z");
    let asked = format!("show t1 \nshow t1 {one} --follow\nshow t1 {three}\nshow t1 {three} --follow\n");
    assert_eq!(world.read("asked"), asked);
}

#[test]
fn a_container_that_is_restarted_or_made_anew_is_followed_on() {
    let world = world(
        r#"
printf '%s\n' 'container t1 tracker' 'ready 1767323100.5'
while read -r word id rest; do
  case "$id $rest $(wc -l <asked 2>/dev/null)" in
    *--follow*) ;;
    *) echo "end $id"; continue ;;
  esac
  echo "$id" >>asked
  case "$(wc -l <asked)" in
    1) echo 'line t1 2026-01-02T03:04:01.000000000Z before'; echo 'end t1 runs' ;;
    2) echo 'line t1 2026-01-02T03:04:01.000000000Z before'; echo 'line t1 2026-01-02T03:04:02.000000000Z after'
       echo 'end t1'; echo 'container t2 tracker' ;;
    3) echo 'line t2 2026-01-02T03:04:03.000000000Z new'; touch all ;;
  esac
done
"#,
    );
    let child = world.command(&["logs", "demo", "--follow", "tracker"]).spawn().unwrap();
    world.wait_for("all");
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = finish(child);
    assert_eq!((output.code, output.stdout.as_str()), (Some(130), "before\nafter\nnew\n"));
    assert_eq!(output.stderr, "tracker runs again\ntracker has stopped\ntracker has a new container\n");
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let world = world(TWO);
    let mut child = world.command(&["logs", "demo", "-f"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(finish(child).code, Some(0));
}
