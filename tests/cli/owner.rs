//! What root leaves to the database's owner, in whose folders its container can put anything.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::restoring::{Bench, SQLITE};

/// Files that SQLite creates for root next to the tracker's database could not be opened by the tracker.
#[test]
fn the_trackers_database_is_opened_by_its_owner_alone() {
    let bench = Bench::new(SQLITE);
    bench.write(
        "tools/settings",
        &fs::read_to_string(bench.path("tools/settings")).unwrap().replace("owner=0", "owner=1000"),
    );
    bench.database("", "");
    let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1])
for table in 'keys', 'torrents', 'whitelist': d.execute(f'CREATE TABLE {table} (a)')";
    assert!(Command::new("python3").args(["-c", script]).arg(&bench.data).status().unwrap().success());
    fs::remove_file(bench.path("root/releases/current")).unwrap();
    symlink("1", bench.path("root/releases/current")).unwrap();
    bench.write("root/releases/1/manifest", "sum 0644 0 docker-compose.yml\n");
    bench.write("root/docker-compose.yml", "services: {}\n");
    // What root and nobody else may do is only written down.
    bench.program("id", "#!/bin/sh\necho 0\n");
    for name in ["chown", "chgrp"] {
        bench.program(name, "#!/bin/sh\n");
    }
    bench.program("install", "#!/bin/sh\nfor last; do :; done\nexec mkdir -p \"$last\"\n");
    bench.program(
        "setpriv",
        "#!/bin/sh\n[ \"$*\" = \"${*#--reuid 1000 --regid 1000 --clear-groups -- }\" ] || export OWNER=1000\n\
         while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n",
    );
    let python = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap().stdout;
    let python = String::from_utf8(python).unwrap();
    bench.program(
        "python3",
        &format!("#!/bin/sh\necho \"${{OWNER:-0}} $*\" >>\"$BENCH/opened\"\nexec {} \"$@\"\n", python.trim()),
    );
    let (good, said) = bench.call(&["backup.sh", "create"], 0, Stdio::null());
    assert_eq!(good, Some(true), "{said}");
    let id = said.lines().find_map(|line| line.strip_prefix("made ")).unwrap().split(' ').next().unwrap();
    for call in [&["verify.sh", id][..], &["upgrade.sh", "look"]] {
        let (good, said) = bench.call(call, 0, Stdio::null());
        assert_eq!(good, Some(true), "{said}");
    }
    let opened = fs::read_to_string(bench.path("opened")).unwrap();
    let live = bench.data.display().to_string();
    let calls: Vec<&str> = opened.lines().filter(|call| call.split(' ').any(|word| word == live)).collect();
    assert!(calls.len() >= 3 && calls.iter().all(|call| call.starts_with("1000 ")), "{opened}");
}

/// A released host of the tracker's user, with a database and a backup of it: its ID.
fn backed_up() -> (Bench, String) {
    let bench = Bench::new(SQLITE);
    let root = fs::metadata(bench.folder.path()).unwrap().uid() == 0;
    bench.database("", "");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE keys (a)')";
    assert!(Command::new("python3").args(["-c", script]).arg(&bench.data).status().unwrap().success());
    if root {
        // The user's calls are counted, too.
        for name in ["count", "cut"] {
            bench.write(name, "0");
            fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let settings = fs::read_to_string(bench.path("tools/settings")).unwrap();
        bench.write("tools/settings", &settings.replace("owner=0", "owner=1000"));
        fs::set_permissions(bench.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = bench.data.parent().unwrap();
        for path in [folder.parent().unwrap(), folder, &bench.data] {
            chown(path, Some(1000), Some(1000)).unwrap();
        }
    }
    fs::remove_file(bench.path("root/releases/current")).unwrap();
    symlink("1", bench.path("root/releases/current")).unwrap();
    bench.write("root/releases/1/manifest", "sum 0644 0 docker-compose.yml\n");
    bench.write("root/docker-compose.yml", "services: {}\n");
    let (good, said) = bench.call(&["backup.sh", "create"], 0, Stdio::null());
    assert_eq!(good, Some(true), "{said}");
    let id = said.lines().find_map(|line| line.strip_prefix("made ")).unwrap().split(' ').next().unwrap();
    let id = id.to_owned();
    (bench, id)
}

/// Restores while `plant` is called again and again, as a process of the container would; how the restore ended.
fn restore_while(bench: &Bench, id: &str, plant: impl Fn() + Sync) -> String {
    bench.state("verdict", "keep\n");
    bench.state("id", id);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                plant();
            }
        });
        bench.call(&["restore.sh", "work", id], 0, Stdio::null());
        over.store(true, Ordering::Relaxed);
        attacker.join().unwrap();
    });
    let said = |name| {
        fs::read_to_string(bench.path(&format!("root/storage/backup/.restore/{name}"))).unwrap_or_default()
    };
    let ended = said("end") + &said("said");
    fs::remove_dir_all(bench.path("root/storage/backup/.restore")).unwrap();
    ended
}

/// What the container's user puts into its folder leads a restore to no file of the host's.
#[test]
fn a_restore_follows_no_link_of_the_containers_user() {
    let seen = |path: &Path| {
        let file = fs::metadata(path).unwrap();
        (file.uid(), file.mode() & 0o777, fs::read_to_string(path).unwrap_or_else(|_| "other bytes".into()))
    };
    let mut wrong = vec![];
    for ending in [".restored", ".before-restore", "", "-wal"] {
        let (bench, id) = backed_up();
        let important = bench.path("etc/important");
        bench.write("etc/important", "of the host\n");
        fs::set_permissions(&important, fs::Permissions::from_mode(0o600)).unwrap();
        let before = seen(&important);
        let planted = bench.data.with_file_name(format!("tracker.db{ending}"));
        let ended = restore_while(&bench, &id, || {
            let _ = fs::remove_file(&planted);
            let _ = symlink(&important, &planted);
        });
        println!("tracker.db{ending}: {before:?} -> {:?}\n{ended}", seen(&important));
        if seen(&important) != before {
            wrong.push(planted);
        }
    }
    assert!(wrong.is_empty(), "by these a file of the host was changed: {wrong:?}");
}

/// The folder itself is a link, which the container's user can put in its place at any time.
#[test]
fn a_restore_works_in_no_other_folder() {
    let (bench, id) = backed_up();
    bench.write("etc/important", "of the host\n");
    let (folder, victim) = (bench.data.parent().unwrap(), bench.path("etc"));
    fs::rename(folder, folder.with_file_name("away")).unwrap();
    symlink(&victim, folder).unwrap();
    let ended = restore_while(&bench, &id, || thread::sleep(Duration::from_millis(10)));
    let there: Vec<_> = fs::read_dir(&victim).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(there == ["important"] && ended.contains("is not the database's folder"), "{there:?} {ended}");
}

/// The room on the disk is looked for by what an archive says of itself.
#[test]
fn an_archive_takes_no_more_room_than_it_says() {
    let (bench, id) = backed_up();
    let again = "mkdir x && cd x && tar -xzf ../$1.tar.gz && sed -i 's/^bytes=.*/bytes=10/' about &&
        tar -czf ../$1.tar.gz about storage && cd .. && sha256sum <$1.tar.gz >$1.tar.gz.sha256";
    let mut packed = Command::new("bash");
    packed.args(["-c", again, "-", &id]).current_dir(bench.path("root/storage/backup"));
    assert!(packed.status().unwrap().success());
    let (good, said) = bench.call(&["verify.sh", &id], 0, Stdio::null());
    assert!(good == Some(false) && said.contains("the archive holds more than it says"), "{said}");
    let ended = restore_while(&bench, &id, || thread::sleep(Duration::from_millis(10)));
    assert!(ended.contains("failed the archive holds more than it says"), "{ended}");
}
