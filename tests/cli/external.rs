//! The scripts of a release, with a database on a server of the user's.

use std::process::Stdio;

use crate::restoring::{Bench, MYSQL};

#[test]
fn an_external_server_that_does_not_answer_blocks_no_release() {
    let bench = Bench::new(MYSQL);
    let (driver, data) = MYSQL;
    bench.write(
        "tools/settings",
        &format!(
            "environment=demo\ndriver={driver}\ndata={data}\nowner=0\nexternal=yes\nimage=lab/client:1\n"
        ),
    );
    let asked = |action| bench.call(&["upgrade.sh", action], 0, Stdio::null());
    assert_eq!(
        asked("add"),
        (Some(true), "unchanged no release has used the external database yet\n".into())
    );
    bench.write("root/database/server.json", "{}");
    bench.write("root/database/look.py", "print('db.example.org port 3306 refuses the connection')");
    bench.program("docker", "#!/bin/sh\nexit 1\n");
    for action in ["look", "add"] {
        let said = "unknown db.example.org port 3306 refuses the connection\n".to_owned();
        assert_eq!(asked(action), (Some(true), said));
    }
    bench.write("root/storage/tracker/etc/tracker.toml", "[metadata]\nschema_version = \"3.0.0\"\n");
    let (good, said) = asked("add");
    assert!(
        good == Some(true) && said.starts_with("unchanged the tracker in place is a newer one"),
        "{said}"
    );
}
