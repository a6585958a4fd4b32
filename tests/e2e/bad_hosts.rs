//! Hosts that cannot be reached or used: each has its own words, and once the cause is gone the same command works.

use crate::desk::{Desk, Failure};
use crate::host::{Host, eventually};

/// A host, and an environment that is not registered with it yet.
fn lonely() -> (Desk, Host) {
    let desk = Desk::new();
    let host = Host::pristine(&desk);
    desk.create(&desk.config());
    (desk, host)
}

/// Registering fails with this word, and leaves the environment as it was.
#[track_caller]
fn refused(desk: &Desk, host: &Host, word: &str) -> Failure {
    let failure = desk.run(&["register", &desk.name, "--instance-ip", &host.address]).fails(word);
    assert_eq!(desk.stage(), "created");
    assert!(desk.stored()["host"].is_null());
    assert_eq!(desk.stored()["attempt"]["command"], "register");
    failure
}

#[track_caller]
fn works_now(desk: &Desk, host: &Host) {
    desk.register(host);
    assert_eq!(desk.stage(), "provisioned");
    assert!(desk.stored()["attempt"].is_null());
}

#[test]
fn ssh_is_refused() {
    let (desk, host) = lonely();
    host.exec("systemctl stop ssh");
    refused(&desk, &host, "ssh_unreachable")
        .says(&[&host.address, "refuses connections on port 22"])
        .helps("is sshd running");
    host.exec("systemctl start ssh");
    works_now(&desk, &host);
}

#[test]
fn ssh_does_not_answer() {
    let (desk, host) = lonely();
    host.exec("iptables -I INPUT -p tcp --dport 22 -j DROP");
    refused(&desk, &host, "ssh_unreachable")
        .says(&[&host.address, "did not answer within 10 s"])
        .helps("firewall");
    host.exec("iptables -D INPUT -p tcp --dport 22 -j DROP");
    works_now(&desk, &host);
}

#[test]
fn the_key_is_not_accepted() {
    let (desk, host) = lonely();
    host.exec("mv /home/torrust/.ssh/authorized_keys /root/");
    refused(&desk, &host, "ssh_auth").says(&["torrust@", "does not accept the key"]).helps("ssh-copy-id -i");
    host.exec("mv /root/authorized_keys /home/torrust/.ssh/");
    works_now(&desk, &host);
}

#[test]
fn the_user_has_no_sudo() {
    let (desk, host) = lonely();
    host.exec("mv /etc/sudoers.d/deployer /root/");
    refused(&desk, &host, "sudo_refused").says(&["torrust may not become root"]).helps("NOPASSWD");
    host.exec("mv /root/deployer /etc/sudoers.d/");
    works_now(&desk, &host);
}

#[test]
fn the_operating_system_is_not_supported() {
    let (desk, host) = lonely();
    host.exec("cp -L /etc/os-release /root/; rm /etc/os-release; printf 'ID=fedora\\nVERSION_ID=43\\n' >/etc/os-release");
    refused(&desk, &host, "host_unsupported").says(&["fedora 43"]).helps("Debian 13");
    host.exec("mv /root/os-release /etc/");
    works_now(&desk, &host);
}

#[test]
fn the_host_key_changed() {
    let (desk, host) = lonely();
    works_now(&desk, &host);
    host.exec("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh");
    eventually("sshd is back", || host.succeeds("ss -Hltn sport = :22 | grep -q ."));
    let known = desk.path(&format!("data/{}/known_hosts", desk.name));
    let intact = std::fs::read_to_string(&known).unwrap();
    let foreign = host.exec("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
    let foreign = format!("{} {foreign}", desk.name);
    for text in [Some(intact.as_str()), Some(""), None, Some(foreign.as_str())] {
        for command in [["configure"].as_slice(), &["ssh"], &["status"]] {
            match text {
                Some(text) => std::fs::write(&known, text).unwrap(),
                None => std::fs::remove_file(&known).unwrap(),
            }
            let mut args = vec![command[0], &desk.name];
            args.extend(&command[1..]);
            let ran = desk.run_in_text(&args);
            let said = format!("{}{}", ran.out, ran.err);
            assert_eq!(ran.code, Some(1), "{args:?} with {text:?}: {said}");
            assert!(said.contains("another host key than at first contact"), "{said}");
        }
    }
    let failure =
        desk.run(&["configure", &desk.name]).fails("host_key_changed").says(&["SHA256:", "nothing was sent"]);
    assert_eq!(desk.stage(), "provisioned");
    failure.helps(&format!("trust {}", desk.name));
    let key = host.exec("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2");
    desk.run(&["trust", &desk.name]).fails("declined").helps(key.trim());
    desk.run(&["trust", &desk.name, "--fingerprint", key.trim()]).ok();
    works_now(&desk, &host);
}

#[test]
fn no_docker_engine_answers() {
    let mut desk = Desk::new();
    desk.create(&desk.config());
    desk.variables = vec![("DOCKER_HOST", "unix:///nowhere/docker.sock".into())];
    desk.run(&["provision", &desk.name])
        .fails("docker_unreachable")
        .says(&["/nowhere/docker.sock"])
        .helps("DOCKER_HOST");
    assert_eq!(desk.stage(), "created");
    desk.variables.clear();
    desk.run(&["provision", &desk.name]).ok();
}

#[test]
fn docker_repository_is_out_of_reach_for_debian_12() {
    let desk = Desk::new();
    let host = Host::start(&desk, "bookworm", &["--add-host=download.docker.com:127.0.0.1"]);
    desk.create(&desk.config());
    desk.register(&host);
    desk.run(&["configure", &desk.name]).fails("ansible_failed").says(&["download.docker.com"]);
    assert_eq!(desk.stage(), "provisioned");
    assert_eq!(desk.stored()["attempt"]["command"], "configure");
}
