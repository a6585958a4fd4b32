//! `templates/host/run.sh` itself, on a folder that stands for a host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Each second look at the containers meets one that just went.
const DOCKER: &str = r#"#!/bin/sh
case $* in
  *' ps '*)
    echo >>looks
    [ $(($(wc -l <looks) % 2)) -eq 1 ] || { echo 'Error response from daemon: No such container: 1' >&2; exit 1; }
    echo '{"ID":"1"}'
    ;;
  *' up '*) sleep 1 ;;
esac
"#;

fn program(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_container_that_goes_during_a_look_does_not_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    program(folder.path(), "docker", DOCKER);
    program(folder.path(), "ss", "#!/bin/sh\n");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/host/run.sh");
    let script = fs::read_to_string(script).unwrap().replace("/opt/torrust", &root);
    let talk = r#"coproc bash -c "$0"
        hear() { until [ "$line" = "$1" ]; do read -r line <&"${COPROC[0]}" || exit 1; echo "$line"; done; }
        hear ready; echo up >&"${COPROC[1]}"
        hear started; hear round; echo stop >&"${COPROC[1]}"
        wait "$COPROC_PID""#;
    let path = format!("{root}:{}", std::env::var("PATH").unwrap());
    let ran = Command::new("bash")
        .args(["-c", talk, &script])
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [said, complaints] = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(ran.status.success(), "{said}{complaints}");
    assert!(said.ends_with("started\ncontainer {\"ID\":\"1\"}\nround\n"), "{said}");
    assert_eq!(complaints, "", "what was asked again is no complaint");
}
