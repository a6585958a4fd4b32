//! `release.sh` itself, on a folder that stands for a host: what a container put in the place of a file of the release.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/host/release.sh");
const DOCKER: &str = "#!/bin/sh\ncase $* in *Id*) echo sha256:1 ;; esac\n";
const TOML: &str = "storage/tracker/etc/tracker.toml";
const DATA: &str = "storage/caddy/data";

struct Host {
    folder: TempDir,
    uid: u32,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uid = fs::metadata(folder.path()).unwrap().uid();
        let host = Self { folder, uid };
        let script =
            include_str!("../../templates/host/owner.sh").to_owned() + &fs::read_to_string(SCRIPT).unwrap();
        let root = format!("root={}", host.path("root").display());
        fs::write(host.path("release.sh"), script.replace("root=/opt/torrust", &root)).unwrap();
        fs::create_dir(host.path("bin")).unwrap();
        for (name, text) in [("docker", DOCKER), ("systemctl", "#!/bin/sh\n")] {
            host.fake(name, text);
        }
        host
    }

    /// Puts a program in front of the real one.
    fn fake(&self, program: &str, text: &str) {
        let path = self.path("bin").join(program);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn placed(&self) -> PathBuf {
        self.path("root").join(TOML)
    }

    fn manifest(&self, toml: &str) -> String {
        let sum = Sha256::digest(toml).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let (uid, other) = (self.uid, self.container());
        format!("dir 0755 {uid} storage/tracker/etc\ndir 0750 {other} {DATA}\n{sum} 0640 {uid} {TOML}\n")
    }

    /// The user of a container; only root can make folders of others.
    fn container(&self) -> u32 {
        if self.uid == 0 { 1443 } else { self.uid }
    }

    /// Releases this text, and ends a script that hangs.
    fn release(&self, toml: &str, word: &str) -> Output {
        let files = self.path("files");
        fs::create_dir_all(files.join(TOML).parent().unwrap()).unwrap();
        fs::write(files.join(TOML), toml).unwrap();
        let tar = Command::new("tar").args(["-c", TOML]).current_dir(&files).output().unwrap().stdout;
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("timeout");
        bash.args(["--kill-after=1", "40", "bash"]).arg(self.path("release.sh")).env("PATH", path);
        bash.args(["demo", "local", "3", "lab/x sha256:1 -"]);
        let mut bash =
            bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = [self.manifest(toml).as_bytes(), word.as_bytes(), b"\n", &tar].concat();
        // One that ends early reads no more of it.
        let _ = bash.stdin.take().unwrap().write_all(&input);
        bash.wait_with_output().unwrap()
    }

    fn lock_is_free(&self) -> bool {
        let lock = self.path("root/.lock");
        Command::new("flock").arg("-n").arg(lock).arg("true").status().unwrap().success()
    }
}

fn said(ran: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        ran.status,
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    )
}

/// Puts something else in the place of a file.
fn plant(kind: &str, at: &Path, important: &Path) {
    fs::remove_file(at).unwrap();
    match kind {
        "pipe" => assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
        "link" => symlink(important, at).unwrap(),
        "link to nothing" => symlink("nothing", at).unwrap(),
        _ => assert!(Command::new("mknod").arg(at).args(["c", "1", "5"]).status().unwrap().success()),
    }
}

#[test]
fn whatever_is_in_the_place_of_a_file_is_replaced_and_not_followed() {
    let host = Host::new();
    let important = host.path("important");
    fs::write(&important, "first").unwrap();
    let ran = host.release("first", "apply");
    assert!(ran.status.success(), "{}", said(&ran));
    assert_eq!(fs::metadata(host.path("root").join(DATA)).unwrap().uid(), host.container());
    let mut kinds = vec!["pipe", "link", "link to nothing"];
    // An endless one.
    kinds.extend((host.uid == 0).then_some("device"));
    for kind in kinds {
        plant(kind, &host.placed(), &important);
        let shown = host.release("first", "show");
        assert!(shown.status.success() && !said(&shown).contains("Zmlyc3Q"), "{kind}: {}", said(&shown));
        let ran = host.release("first", "apply");
        let said = said(&ran);
        assert!(ran.status.success() && said.contains("released "), "{kind}: {said}");
        let file = fs::symlink_metadata(host.placed()).unwrap();
        assert!(file.is_file() && !file.file_type().is_fifo(), "{kind}: {said}");
        assert_eq!(fs::read_to_string(host.placed()).unwrap(), "first", "{kind}");
        // The same in the place of the file that is renamed.
        let next = host.placed().with_file_name("tracker.toml.new");
        fs::write(&next, "").unwrap();
        plant(kind, &next, &important);
        let ran = host.release(kind, "apply");
        assert!(ran.status.success() && !next.exists(), "{kind}");
        assert_eq!(fs::read_to_string(host.placed()).unwrap(), kind);
        assert_eq!(fs::read_to_string(&important).unwrap(), "first", "{kind}");
        host.release("first", "apply");
        assert!(host.lock_is_free(), "{kind}");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused_and_stays() {
    let host = Host::new();
    assert!(host.release("first", "apply").status.success());
    fs::remove_file(host.placed()).unwrap();
    fs::create_dir(host.placed()).unwrap();
    fs::write(host.placed().join("of the user"), "").unwrap();
    let ran = host.release("second", "apply");
    let said = said(&ran);
    assert!(
        !ran.status.success() && said.contains("tracker.toml is a folder") && !said.contains("released"),
        "{said}"
    );
    assert!(host.placed().join("of the user").exists() && host.lock_is_free(), "{said}");
}

/// Its files are in place when it is cut off, and the copy is the only one of what the user wrote.
#[test]
fn what_a_release_replaced_outlives_its_being_cut_off() {
    for program in ["comm", "ln"] {
        let host = Host::new();
        assert!(host.release("first", "apply").status.success());
        fs::write(host.placed(), "by hand").unwrap();
        let cut = host.path("cut");
        let text = format!(
            "#!/bin/sh\n[ ! -e {0} ] || {{ rm {0}; exit 1; }}\nexec /usr/bin/{program} \"$@\"\n",
            cut.display()
        );
        host.fake(program, &text);
        fs::write(&cut, "").unwrap();
        let ran = host.release("second", "apply");
        assert!(!ran.status.success() && !cut.exists(), "{program}: {}", said(&ran));
        let ran = host.release("third", "apply");
        assert!(said(&ran).contains("released 2"), "{program}: {}", said(&ran));
        let kept = host.path("root/releases/2/replaced").join(TOML);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "second", "{program}");
        let earlier = kept.with_file_name("tracker.toml.~1~");
        assert_eq!(fs::read_to_string(earlier).unwrap(), "by hand", "{program}");
    }
}

/// Older releases gave the folder of the tracker's configuration to its container.
#[test]
fn a_folder_of_the_containers_becomes_roots_before_anything_is_put_there() {
    let host = Host::new();
    if host.uid != 0 {
        return;
    }
    assert!(host.release("first", "apply").status.success());
    let folder = host.placed().parent().unwrap().to_owned();
    chown(&folder, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o2770)).unwrap();
    let looked = host.release("first", "stop");
    assert!(said(&looked).contains("unrecorded"), "{}", said(&looked));
    let ran = host.release("first", "apply");
    assert!(ran.status.success(), "{}", said(&ran));
    let seen = fs::metadata(&folder).unwrap();
    assert_eq!((seen.uid(), seen.gid(), seen.mode() & 0o7777), (0, 0, 0o755), "{}", said(&ran));
}
