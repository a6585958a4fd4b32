//! What root leaves to the database's owner, in whose folders its container can put anything.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

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
