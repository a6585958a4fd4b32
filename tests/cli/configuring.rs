//! What `configure` brings to the host and asks there, without a host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::world::World;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/ansible/files");

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
    let script = fs::read_to_string(format!("{FILES}/root/usr/local/sbin/torrust-tracker-firewall")).unwrap();
    let script = ["/etc/", "/var/", "/run/"]
        .iter()
        .fold(script, |text, path| text.replace(path, &format!("{root}{path}")));
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

#[test]
fn updates_that_were_not_due_are_not_missed_minutes_later() {
    let report = "import sys
installed = lambda: ['unattended-upgrades']
run = lambda *words: (0, 'APT::Periodic::Unattended-Upgrade \"1\";')
unit = lambda name: {'active': True}
last_updates = lambda: {'hours': 24.1, 'detail': '0 packages changed'}
exec(open(sys.argv[1]).read().replace('__main__', ''))
for more in ({}, {'updates_due': True}, {'updates_due': False}):
    print(see_security_updates({'skip_updates': False, **more})['state'])";
    let ran = Command::new("python3").args(["-c", report]).arg(format!("{FILES}/report.py")).output();
    assert_eq!(String::from_utf8(ran.unwrap().stdout).unwrap(), "failed\nfailed\nok\n");
    let playbook = fs::read_to_string(format!("{FILES}/../configure.yml")).unwrap();
    assert!(playbook.contains("'updates_due': updates is not skipped"));
}

/// What a function of `observe.py` and `report.py` says on a host whose files and commands are replaced by `setup`.
fn observed(setup: &str, expression: &str) -> String {
    let script = format!(
        "import sys\nfor name in ('observe', 'report'):\n    exec(open(sys.argv[1] + '/' + name + '.py').read().replace('__main__', ''))\n{setup}\nprint({expression})"
    );
    let ran = Command::new("python3").args(["-c", &script, FILES]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[test]
fn settings_of_docker_are_read_from_its_file_and_its_command_line() {
    let host = |file: &str, options: &str| {
        format!(
            "run = lambda *words: (0, 'MainPID=7\\nExecStart={{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; }}')\n\
             unit = lambda name: {{'active': False, 'began': 0}}\n\
             read = lambda path: {{'/etc/docker/daemon.json': '{file}', '/etc/default/docker': 'DOCKER_OPTS=\"{options}\"', \
             '/proc/7/cmdline': '/usr/sbin/dockerd\\0--live-restore\\0'}}.get(path)"
        )
    };
    for (file, options, kept_off) in [
        (r#"{"iptables": false}"#, "", "['iptables = false']"),
        (r#"{"experimental": false}"#, "", "['experimental = false']"),
        (r#"{"ip6tables": true}"#, "--log-driver=journald", "[]"),
        ("", "--ip6tables=false", "['ip6tables = false']"),
        ("", "", "[]"),
    ] {
        assert_eq!(observed(&host(file, options), "without_ipv6_rules()"), kept_off, "{file} {options}");
    }
    let flags = observed(&host("", "--log-driver=journald --log-opt tag=x"), "sorted(docker_flags())");
    assert_eq!(flags, "['live-restore', 'log-driver', 'log-opt']");
}

/// A host with this firewall, where these programs listen.
fn guarded(status: &str, rules: &str) -> String {
    let listeners = "tcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\n\
         tcp LISTEN 0 5 *:80 *:* users:((\"nginx\",pid=2,fd=3))\n\
         tcp LISTEN 0 5 127.0.0.1:81 0.0.0.0:* users:((\"local\",pid=3,fd=3))\n\
         tcp LISTEN 0 5 0.0.0.0:82 0.0.0.0:* users:((\"docker-proxy\",pid=4,fd=3))\n\
         udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:((\"dnsmasq\",pid=5,fd=3))\n\
         udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* users:((\"dhclient\",pid=6,fd=3))";
    let answers =
        serde_json::json!({ "ufw status verbose": status, "ufw show added": rules, "ss -Hlntup": listeners });
    format!("run = lambda *words: (0, {answers}.get(' '.join(words), ''))")
}

const DENIES: &str = "Status: active\nDefault: deny (incoming), allow (outgoing)";

#[test]
fn listeners_that_a_new_firewall_cuts_off_are_named() {
    let cut_off = |status, rules, wanted: &str| {
        observed(&guarded(status, rules), &format!("cut_off(['allow 22/tcp'{wanted}])"))
    };
    assert_eq!(cut_off("Status: inactive", "", ""), "['80/tcp (nginx)', '53/udp (dnsmasq)']");
    assert_eq!(cut_off("Status: inactive", "ufw allow 80", ", 'allow 53/udp'"), "[]");
    let others = cut_off("Status: inactive", "ufw allow 8080\nufw allow 80/udp", ", 'allow 53/udp'");
    assert_eq!(others, "['80/tcp (nginx)']");
    assert_eq!(cut_off(DENIES, "", ""), "[]", "they are cut off already");
}

#[test]
fn ssh_gets_no_rule_where_our_connection_comes_in_already() {
    let rules = |status, rules| observed(&guarded(status, rules), "ssh_rules([22])");
    assert_eq!(rules("Status: inactive", ""), "['allow 22/tcp']");
    assert_eq!(rules(DENIES, "ufw allow from 198.18.0.0/15 to any port 22 proto tcp"), "[]");
    assert_eq!(rules(DENIES, "ufw allow 22/tcp comment 'torrust-tracker-deployer'"), "['allow 22/tcp']");
}

const PLAYBOOK: &str = include_str!("fakes/ansible-playbook");

#[test]
fn nothing_is_cut_off_without_the_users_word() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    let refuses = "echo 'TASK [Check] ***'\necho 'fatal: [tracker]: FAILED! => {\"msg\": \"CUT-OFF 80/tcp (nginx), 53/udp (dnsmasq)\"}'\nexit 2";
    let script = format!("if grep -q 'close_others: false' variables.yml; then\n{refuses}\nfi\n{PLAYBOOK}");
    world.fake("ansible-playbook", &script);
    let refusal = world.refusal(&["configure", "demo"]);
    assert_eq!(refusal.code, "state_refused");
    let named = "the firewall would cut off what listens on the host: 80/tcp (nginx), 53/udp (dnsmasq)";
    assert_eq!(refusal.message, named);
    assert!(refusal.help.contains("configure demo --keep-open 80/tcp,53/udp\n"), "{}", refusal.help);
    assert_eq!(world.typing(&["configure", "demo"], "n\n").code, Some(1));
    assert_eq!(world.state("demo")["stage"], "provisioned");
    let asked = world.typing(&["configure", "demo"], "y\n");
    assert_eq!((asked.code, asked.stderr.contains("80/tcp (nginx)")), (Some(0), true), "{}", asked.stderr);
    world.ok(&["configure", "demo", "--close-others"]);
}

#[test]
fn ports_of_others_are_for_every_command_that_configures() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    let refuses = "echo 'TASK [Check] ***'\necho 'fatal: [tracker]: FAILED! => {\"msg\": \"CUT-OFF 80/tcp (nginx)\"}'\nexit 2";
    let decided = "grep -q 'close_others: false' variables.yml && ! grep -q '\"80/tcp' variables.yml";
    world.fake("ansible-playbook", &format!("if {decided}; then\n{refuses}\nfi\n{PLAYBOOK}"));
    let refusal = world.refusal(&["deploy", "demo"]);
    assert!(
        refusal.help.contains("torrust-tracker-deployer deploy demo --keep-open 80/tcp\n"),
        "{}",
        refusal.help
    );
    assert!(
        refusal.help.contains("torrust-tracker-deployer deploy demo --close-others\n"),
        "{}",
        refusal.help
    );
    world.ok(&["deploy", "demo", "--close-others", "--skip-run"]);
    assert!(world.state("demo")["choices"]["keep_open"].as_array().is_none_or(Vec::is_empty));
    // On a host that is configured, they are heard as well.
    let plan = world.ok(&["deploy", "demo", "--keep-open", "80", "--dry-run"]).stdout;
    assert!(plan.contains("configure  Configure the operating system"), "{plan}");
    world.ok(&["deploy", "demo", "--keep-open", "80", "--skip-run"]);
    assert_eq!(world.state("demo")["choices"]["keep_open"], serde_json::json!(["80/tcp"]));
    let variables = world.read("build/demo/ansible/variables.yml");
    assert!(variables.contains("\"80/tcp\"") && variables.contains("close_others: false"), "{variables}");
}

#[test]
fn rules_of_the_firewall_are_in_the_result() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    let rules = r#"\"detail\": \"active\", \"added\": [\"allow 80/tcp\"], \"removed\": [\"allow 81/tcp\"]}"#;
    let changed = PLAYBOOK.replace(r#"\"detail\": \"active\"}"#, rules);
    assert_ne!(changed, PLAYBOOK);
    world.fake("ansible-playbook", &changed);
    let result = world.json(&["configure", "demo", "--keep-open", "80,53/udp"]);
    let wanted = serde_json::json!({ "added": ["allow 80/tcp"], "removed": ["allow 81/tcp"] });
    assert_eq!(result["firewall"], wanted);
    let variables = world.read("build/demo/ansible/variables.yml");
    assert!(variables.contains("\"80/tcp\"") && variables.contains("53/udp"), "{variables}");
    let text = world.ok(&["configure", "demo"]).stdout;
    assert!(text.starts_with("firewall: added allow 80/tcp; removed allow 81/tcp\n"), "{text}");
    assert_eq!(world.run(&["configure", "demo", "--keep-open", "0"]).code, Some(2));
}
