//! A store that is damaged, in the way, read-only or full.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{World, snapshot};

#[test]
fn a_file_that_was_cut_short_is_mended_as_the_help_says() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["provision", "demo"]);
    let whole = world.read("data/demo/environment.json");
    world.write("data/demo/environment.json", &whole[..whole.find("\"stage\"").unwrap() + 4]);
    snapshot!(world, &["show", "demo"]);
    for command in ["show", "configure", "destroy"] {
        let refusal = world.refusal(&[command, "demo"]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "state_damaged"), "{command}");
    }
    let help = world.refusal(&["show", "demo"]).help;
    let copy = help.lines().next().unwrap().split_once(": ").unwrap().1.replace("[TEST]", "..");
    let copied = Command::new("sh").args(["-c", &copy]).current_dir(world.path("")).status().unwrap();
    assert!(copied.success(), "{copy}");
    world.ok(&["provision", "demo"]);
    assert_eq!(world.state("demo")["stage"], "provisioned");
}

#[test]
fn a_damaged_environment_without_a_previous_copy_can_still_be_purged() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    world.write("data/demo/environment.json", "");
    assert_eq!(world.refusal(&["show", "demo"]).code, "state_damaged");
    world.ok(&["purge", "demo", "--force"]);
    world.ok(&["create", "demo"]);
}

#[test]
fn a_file_in_the_place_of_the_data_folder() {
    let world = World::new();
    world.write("data", "in the way");
    snapshot!(world, &["create", "demo"]);
    for args in [&["create", "demo"][..], &["list"], &["show", "demo"], &["destroy", "demo"]] {
        let refusal = world.refusal(args);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"), "{args:?}");
        assert!(refusal.help.contains("ls -ld"), "{args:?}: {}", refusal.help);
    }
    assert_eq!(world.read("data"), "in the way");
    std::fs::remove_file(world.path("data")).unwrap();
    world.ok(&["create", "demo"]);
}

#[test]
fn a_read_only_store_can_be_read_and_refuses_changes() {
    if !may_mount("storage::a_read_only_store_can_be_read_and_refuses_changes") {
        return;
    }
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    let before = world.read("data/demo/environment.json");
    let mount = Mount::read_only(&world.path("data"));
    assert_eq!(world.json(&["show", "demo"])["state"], "created");
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "true\n");
    for args in [
        &["create", "other"][..],
        &["provision", "demo"],
        &["destroy", "demo"],
        &["purge", "demo", "--force"],
    ] {
        let refusal = world.refusal(args);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"), "{args:?}");
        assert!(refusal.causes.contains("Read-only file system"), "{args:?}: {}", refusal.causes);
    }
    drop(mount);
    assert_eq!(world.read("data/demo/environment.json"), before);
    world.ok(&["provision", "demo"]);
}

#[test]
fn a_full_disk_changes_nothing_and_says_how_to_see_it() {
    if !may_mount("storage::a_full_disk_changes_nothing_and_says_how_to_see_it") {
        return;
    }
    let world = World::with_tools();
    std::fs::create_dir(world.path("data")).unwrap();
    let _mount = Mount::small(&world.path("data"));
    world.ok(&["create", "demo"]);
    let before = world.state("demo");
    let filled = std::fs::write(world.path("data/filler"), vec![1; 1 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    for args in [&["create", "other"][..], &["provision", "demo"], &["destroy", "demo"]] {
        let refusal = world.refusal(args);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"), "{args:?}");
        assert!(refusal.help.contains("df -h"), "{args:?}: {}", refusal.help);
    }
    assert_eq!(world.state("demo"), before);
    std::fs::remove_file(world.path("data/filler")).unwrap();
    world.ok(&["create", "other"]);
    world.ok(&["provision", "demo"]);
}

const NEEDS: &str = "needs root, or user namespaces and a clone outside /tmp";
const INSIDE: &str = "DEPLOYER_TEST_MAY_MOUNT";

/// Whether this process may mount. Where it may not yet, runs `test` again in a mount namespace of its own, which needs no
/// root and leaves nothing mounted when killed, and fails as that does.
fn may_mount(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let me = env::current_exe().unwrap();
    let inside = |(options, before): (&str, &str)| {
        let mut command = Command::new("unshare");
        command.args([options, "sh", "-c", &format!("{before} && exec \"$@\""), "sh"]);
        command
    };
    // Whoever only seems to be root has a /tmp apart: the program's folder for sockets there is the real one's.
    let ways = [("-m", ":"), ("-rm", "mount -t tmpfs tmpfs /tmp")];
    let possible = |way: &(&str, &str)| {
        let tried = inside(*way).args(["test", "-x"]).arg(&me).output();
        tried.is_ok_and(|output| output.status.success())
    };
    if let Some(way) = ways.into_iter().find(possible) {
        let mut again = inside(way);
        again.arg(&me).args(["--exact", test, "--nocapture"]);
        let output = again.env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    } else {
        assert!(env::var("CI").as_deref() != Ok("true"), "{test} {NEEDS}");
        // Not by a macro: the test runner would swallow it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} {NEEDS}");
    }
    false
}

/// Something mounted for a test; gone when dropped.
struct Mount(PathBuf);

impl Mount {
    fn read_only(folder: &Path) -> Self {
        mount(&["--bind"], &[folder, folder]);
        // Without a source the mount's other options stay: a user namespace may not drop them.
        mount(&["-o", "remount,bind,ro"], &[folder]);
        Self(folder.to_owned())
    }

    fn small(folder: &Path) -> Self {
        mount(&["-t", "tmpfs", "-o", "size=96k"], &[Path::new("tmpfs"), folder]);
        Self(folder.to_owned())
    }
}

fn mount(options: &[&str], places: &[&Path]) {
    let output = Command::new("mount").args(options).args(places).output().unwrap();
    assert!(output.status.success(), "{options:?} {places:?}: {output:?}");
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
