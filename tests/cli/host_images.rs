//! `images.sh` and `release.sh` themselves, on a folder that stands for a host, with an engine of a few files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const IMAGE: &str = "lab/tracker:3.0.0";
const ENGINE: &str = r#"#!/bin/bash
# Names lead to ids in engine/, and a registry has others in registry/.
echo "$*" >>"$BENCH/docker.log"
file() { echo "$1" | tr '/:' '__'; }
id() { cat "$BENCH/engine/$(file "$1")" 2>/dev/null || { grep -qrx "$1" "$BENCH/engine" && echo "$1"; }; }
case "$1 $2" in
  'image inspect')
    shift 2
    format=none
    [ "$1" != --format ] || { format=$2; shift 2; }
    for image in "$@"; do
      found=$(id "$image") || exit 1
      case $format in '{{.Id}}') echo "$found" ;; *Labels*) echo 3.0.0 ;; *) echo "$found - amd64 now []" ;; esac
    done ;;
  'image rm') rm "$BENCH/engine/$(file "$3")" ;;
  'pull --quiet') cp "$BENCH/registry/$(file "$3")" "$BENCH/engine/$(file "$3")" ;;
  tag*) echo "$2" >"$BENCH/engine/$(file "$3")" ;;
  'cp --follow-link') echo 'Could not find the file' >&2; exit 1 ;;
  'ps --all') cat "$BENCH/left" 2>/dev/null || : ;;
esac
"#;

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "engine", "registry", "root"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        fs::write(bench.path("bin/docker"), ENGINE).unwrap();
        fs::set_permissions(bench.path("bin/docker"), fs::Permissions::from_mode(0o755)).unwrap();
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// The id that the engine, or the registry, has under the tracker's name.
    fn has(&self, place: &str, id: &str) {
        self.write(&format!("{place}/lab_tracker_3.0.0"), &format!("{id}\n"));
    }

    fn image(&self) -> Option<String> {
        Some(fs::read_to_string(self.path("engine/lab_tracker_3.0.0")).ok()?.trim().to_owned())
    }

    fn docker(&self) -> String {
        fs::read_to_string(self.path("docker.log")).unwrap_or_default()
    }

    /// A script's call: whether it succeeded, and what it said.
    fn call(&self, script: &str, args: &[&str], input: &[u8]) -> (bool, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/host");
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let text = text("owner.sh") + &text(script);
        let text = text.replace("root=/opt/torrust", &format!("root={}", self.path("root").display()));
        let mut bash = Command::new("bash");
        bash.args(["-c", &text, "deployer"]).args(args).env("BENCH", self.0.path());
        let path = std::env::var("PATH").unwrap();
        bash.env("PATH", format!("{}:{path}", self.path("bin").display()));
        let mut child =
            bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let ran = child.wait_with_output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8(said).unwrap())
    }

    fn images(&self, how: &str) -> (bool, String) {
        self.call("images.sh", &["demo", how, "-", IMAGE, IMAGE], b"")
    }
}

#[test]
fn images_are_not_brought_to_another_environments_host() {
    let bench = Bench::new();
    bench.has("registry", "sha256:1");
    bench.write("root/environment", "somebody\n");
    let (good, said) = bench.images("pull");
    assert!(good && said == "foreign somebody\n", "{said}");
    assert_eq!(bench.docker(), "", "the engine was asked nothing");
    bench.write("root/environment", "demo\n");
    let (good, said) = bench.images("pull");
    assert!(good && said.contains("image lab/tracker:3.0.0 sha256:1"), "{said}");
}

#[test]
fn images_wait_for_another_release_of_the_host() {
    let bench = Bench::new();
    bench.has("engine", "sha256:1");
    let lock = fs::File::create(bench.path("root/.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| bench.images("look"));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(bench.docker(), "", "the other one is still at work");
        lock.unlock().unwrap();
        let (good, said) = call.join().unwrap();
        assert!(good && said.starts_with("waiting for an earlier release"), "{said}");
    });
    // A host without anything gets nothing by a look.
    fs::remove_dir_all(bench.path("root")).unwrap();
    assert!(bench.images("look").0);
    assert!(!bench.path("root").exists());
}

#[test]
fn a_killed_look_at_a_schema_is_removed_with_its_volumes() {
    let bench = Bench::new();
    bench.has("engine", "sha256:1");
    let (dead, alive) = (u32::MAX, std::process::id());
    bench.write("left", &format!("torrust-look-{dead}\ntorrust-look-{alive}\n"));
    let (good, said) = bench.images("look");
    assert!(good, "{said}");
    let asked = bench.docker();
    assert!(asked.contains(&format!("container rm --force --volumes torrust-look-{dead}\n")), "{asked}");
    assert!(!asked.contains(&format!("torrust-look-{alive}")), "{asked}");
    let label = "--label org.torrust.deployer=look ";
    assert!(asked.contains(label) && asked.contains("--filter label=org.torrust.deployer=look "), "{asked}");
}

#[test]
fn an_image_that_is_gone_leaves_no_other_under_its_name() {
    for (before, after) in [(None, None), (Some("sha256:3"), Some("sha256:3"))] {
        let bench = Bench::new();
        bench.has("registry", "sha256:2");
        if let Some(id) = before {
            bench.has("engine", id);
        }
        let pack = ["-c", "cd \"$0\" && echo text >a && tar -c a"];
        let tar = Command::new("sh").args(pack).arg(bench.0.path()).output().unwrap().stdout;
        let manifest = "b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733 0644 0 a";
        let input = [format!("{manifest}\napply\n").as_bytes(), &tar].concat();
        let (good, said) =
            bench.call("release.sh", &["demo", "registry", "1", &format!("{IMAGE} sha256:1 -")], &input);
        assert!(!good && said.contains("image-unavailable lab/tracker:3.0.0"), "{said}");
        assert_eq!(bench.image().as_deref(), after, "{said}\n{}", bench.docker());
    }
}
