//! The host's own script for its firewall, on a folder that stands for a host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/templates/ansible/files/root/usr/local/sbin/torrust-tracker-firewall"
);

#[test]
fn the_minute_until_the_rollback_begins_anew_with_each_rule() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    for path in ["etc/ufw", "etc/default", "var/lib", "run", "bin"] {
        fs::create_dir_all(folder.path().join(path)).unwrap();
    }
    fs::write(folder.path().join("etc/default/ufw"), "IPV6=no\n").unwrap();
    for name in ["ufw", "systemctl"] {
        let path = folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\necho {name} \"$*\" >>{root}/log\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = ["/etc/", "/var/", "/run/"]
        .iter()
        .fold(fs::read_to_string(SCRIPT).unwrap(), |text, path| text.replace(path, &format!("{root}{path}")));
    let ran = Command::new("sh")
        .args(["-c", &script, "-", "change", "allow 6969/udp", "delete allow 80/tcp"])
        .env("PATH", format!("{root}/bin:{}", std::env::var("PATH").unwrap()))
        .status();
    assert!(ran.unwrap().success());
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let calls: Vec<&str> = log.lines().collect();
    let ufw: Vec<usize> = (0..calls.len()).filter(|place| calls[*place].starts_with("ufw ")).collect();
    assert_eq!(ufw.len(), 4, "{log}");
    let armed = "systemctl restart torrust-tracker-firewall-rollback.timer";
    assert!(ufw.iter().all(|place| calls[place - 1] == armed), "{log}");
    assert_eq!(calls.last(), Some(&armed), "the proof has all of the minute: {log}");
}
