//! Faults put into a running stack: each has its line in `status`, and its check in `test`.

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;

/// Which suite of `test` sees it first.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    /// The basic suite, by the check of this name.
    Basic(&'static str),
    /// The full suite, by the check that has the name of the line of `status`.
    Full,
}

/// What is wrong, how it is put in and undone, and what is said of it.
struct Fault {
    what: &'static str,
    break_: &'static str,
    mend: &'static str,
    seen: Seen,
    line: &'static str,
    says: &'static str,
}

const FAULTS: [Fault; 16] = [
    Fault {
        what: "stopped container",
        break_: "docker stop torrust-deployer-stack-tracker-1",
        mend: "docker start torrust-deployer-stack-tracker-1; healthy tracker",
        seen: Seen::Basic("tracker: the container's health check"),
        line: "tracker",
        says: "exited with exit code 0",
    },
    Fault {
        what: "wrong token",
        break_: "cp -a .env /root/kept; sed -i s/TOKEN/another-token/ .env; docker compose up --detach tracker; healthy tracker",
        mend: "cp -a /root/kept .env; docker compose up --detach tracker; healthy tracker",
        seen: Seen::Basic("API api.lab.test: figures with the token"),
        line: "API api.lab.test: figures with the token",
        says: "token not valid",
    },
    Fault {
        what: "expired certificate",
        break_: "cp -a CADDYFILE /root/kept; cd storage/caddy/data; openssl req -new -newkey rsa:2048 -nodes -keyout old.key -subj /CN=api.lab.test \
                 -addext subjectAltName=DNS:api.lab.test -out old.csr; openssl x509 -req -in old.csr -CA $ROOT.crt -CAkey $ROOT.key -copy_extensions copy \
                 -not_before 20250101000000Z -not_after 20250201000000Z -out old.crt; chmod 644 old.*; \
                 cd /opt/torrust; sed -i 's|^api.lab.test {|&\\ntls /data/old.crt /data/old.key|' CADDYFILE; docker restart torrust-deployer-stack-caddy-1; healthy caddy",
        mend: "cp -a /root/kept CADDYFILE; rm storage/caddy/data/old.*; docker restart torrust-deployer-stack-caddy-1; healthy caddy",
        seen: Seen::Basic("api.lab.test: certificate"),
        line: "api.lab.test: certificate",
        says: "it expired at 2025-02-01T00:00:00Z",
    },
    Fault {
        what: "dead database",
        break_: "mv DATABASE /root/kept; echo nothing >DATABASE",
        mend: "mv /root/kept DATABASE",
        seen: Seen::Basic("SQLite: the database can be read"),
        line: "SQLite: the database can be read",
        says: "file is not a database",
    },
    Fault {
        what: "closed port",
        break_: "iptables -I DOCKER-USER -p tcp --dport 7070 -j DROP",
        mend: "iptables -D DOCKER-USER -p tcp --dport 7070 -j DROP",
        seen: Seen::Basic("HTTP tracker 7070: health"),
        line: "HTTP tracker 7070: health",
        says: "no complete answer in",
    },
    Fault {
        what: "failed backup",
        break_: "mv DATABASE /root/kept; ! systemctl start torrust-tracker-backup.service; mv /root/kept DATABASE",
        mend: "systemctl start torrust-tracker-backup.service",
        seen: Seen::Basic("backups: the last and the next"),
        line: "backups: the last and the next",
        says: "the last one failed: there is no database",
    },
    Fault {
        what: "changed file",
        break_: "cp -a storage/tracker/etc/tracker.toml /root/changed; echo '# by hand' >>storage/tracker/etc/tracker.toml",
        mend: "cp -a /root/changed storage/tracker/etc/tracker.toml",
        seen: Seen::Full,
        line: "storage/tracker/etc/tracker.toml",
        says: "another content",
    },
    Fault {
        what: "secrets that others may read",
        break_: "chmod 644 .env",
        mend: "chmod 600 .env",
        seen: Seen::Full,
        line: ".env",
        says: "others may read it",
    },
    Fault {
        what: "unit taken away",
        break_: "mv /etc/systemd/system/torrust-tracker-backup.service /root",
        mend: "mv /root/torrust-tracker-backup.service /etc/systemd/system",
        seen: Seen::Full,
        line: "backup/torrust-tracker-backup.service",
        says: "it has not",
    },
    Fault {
        what: "container too many in the stack",
        break_: "docker create --name stranger --label com.docker.compose.project=torrust-deployer-stack --label com.docker.compose.project.working_dir=/opt/torrust --label com.docker.compose.service=stranger IMAGE",
        mend: "docker rm --force stranger",
        seen: Seen::Full,
        line: "stranger",
        says: "created, IMAGE",
    },
    Fault {
        what: "container of others on the stack's network",
        break_: "docker run --detach --name listener --network torrust-deployer-stack_tracker --entrypoint sleep IMAGE 1000",
        mend: "docker rm --force listener",
        seen: Seen::Full,
        line: "listener",
        says: "on torrust-deployer-stack_tracker",
    },
    Fault {
        what: "full disk",
        break_: "mount -t tmpfs -o size=4m none storage/tracker/log; head -c 8m /dev/zero >storage/tracker/log/full || :",
        mend: "umount storage/tracker/log",
        seen: Seen::Full,
        line: "disk of /opt/torrust/storage/tracker/log",
        says: "0 B of 4.0 MiB free",
    },
    Fault {
        what: "clock that is off, as the host's Python tells the time",
        break_: "at=$(python3 -c 'import site; print(site.getsitepackages()[0])'); mkdir -p $at; echo 'import time; time.time = lambda now=time.time: now() - 90' >$at/off.pth",
        mend: "rm $(python3 -c 'import site; print(site.getsitepackages()[0])')/off.pth",
        seen: Seen::Full,
        line: "clock",
        says: "s behind this machine's",
    },
    Fault {
        what: "firewall off",
        break_: "ufw disable",
        mend: "ufw --force enable",
        seen: Seen::Full,
        line: "firewall",
        says: "ufw is inactive",
    },
    Fault {
        what: "lost route",
        break_: "ip route show default >/root/route; ip route del default",
        mend: "ip route add $(cat /root/route)",
        seen: Seen::Full,
        line: "route to other networks",
        says: "expected one over IPv4",
    },
    Fault {
        what: "broken DNS",
        break_: "cp /etc/resolv.conf /root/resolv.conf; echo nameserver 127.0.0.99 >/etc/resolv.conf",
        mend: "cat /root/resolv.conf >/etc/resolv.conf",
        seen: Seen::Full,
        line: "DNS on the host",
        says: "deb.debian.org not found",
    },
];

impl Fault {
    fn put_in(&self, host: &Host) {
        filled(host, self.break_);
    }

    fn undo(&self, host: &Host) {
        filled(host, self.mend);
    }

    /// The subject that says it.
    #[track_caller]
    fn among<'r>(&self, said: &'r Value, name: &str) -> &'r Value {
        let is_it = |one: &&Value| {
            let called = one["name"].as_str().unwrap();
            called == name || called.ends_with(&format!(": {name}"))
        };
        let found = said.as_array().unwrap().iter().find(is_it);
        found.unwrap_or_else(|| panic!("{}: no {name}: {said:#}", self.what))
    }
}

/// Runs a script where the stack is.
fn filled(host: &Host, script: &str) {
    let healthy = "healthy() { until [ \"$(docker inspect --format '{{.State.Health.Status}}' torrust-deployer-stack-$1-1)\" = healthy ]; do sleep 0.2; done; }";
    let script = script
        .replace("IMAGE", lab::TRACKER)
        .replace("DATABASE", "storage/tracker/lib/database/tracker.db")
        .replace("CADDYFILE", "storage/caddy/etc/Caddyfile")
        .replace("$ROOT", "caddy/pki/authorities/local/root")
        .replace("TOKEN", "vE4ixM2uTq0Zk9sLw7RbNcYd");
    host.exec(&format!("set -e; {healthy}; cd /opt/torrust; {script}"));
}

fn lines(desk: &Desk) -> Value {
    let ran = desk.run(&["status", &desk.name]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    match document.pointer("/error/report/lines") {
        Some(lines) => lines.clone(),
        None => document["lines"].clone(),
    }
}

fn checks(desk: &Desk, suite: &str) -> Value {
    let ran = desk.run(&["test", &desk.name, "--suite", suite, "--timeout", "5"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &document["error"]["code"]), (Some(1), &json!("test_failed")), "{document:#}");
    document["error"]["problems"].clone()
}

fn running() -> (Desk, Host) {
    let (desk, host, _) = Desk::with_running(|config| {
        config["backup"] = json!({});
        config["images"]["caddy"] = lab::CADDY.into();
        config["https"] = json!({ "admin_email": "admin@lab.test", "ca": "internal" });
        config["tracker"]["http_api"]["domain"] = json!("api.lab.test");
        config["tracker"]["http_api"]["use_tls_proxy"] = json!(true);
    });
    (desk, host)
}

/// DNS is a warning, whoever's it is.
fn level(fault: &Fault) -> [&'static str; 2] {
    if fault.line.starts_with("DNS") { ["warning", "warning"] } else { ["bad", "failed"] }
}

#[test]
fn each_has_its_line_in_status_and_its_check_in_test() {
    let (desk, host) = running();
    well(&desk);
    for fault in &FAULTS {
        fault.put_in(&host);
        let lines = lines(&desk);
        let line = fault.among(&lines, fault.line);
        let told = format!(
            "expected {}, seen: {}",
            line["expected"].as_str().unwrap_or_default(),
            line["seen"].as_str().unwrap()
        );
        assert_eq!(line["level"], level(fault)[0], "{}: {line:#}", fault.what);
        assert!(told.contains(&fault.says.replace("IMAGE", lab::TRACKER)), "{}: {told}", fault.what);
        assert!(!line["help"].as_array().unwrap().is_empty(), "{}: {line:#}", fault.what);
        println!("{}, status: {} {}: {told}", fault.what, level(fault)[0], fault.line);
        if let Seen::Basic(check) = fault.seen {
            println!("{}", in_test(fault, &checks(&desk, "basic"), check));
        }
        fault.undo(&host);
    }
    let of_full = || FAULTS.iter().filter(|fault| fault.seen == Seen::Full);
    of_full().for_each(|fault| fault.put_in(&host));
    let checks = checks(&desk, "full");
    of_full().for_each(|fault| println!("{}", in_test(fault, &checks, fault.line)));
    of_full().for_each(|fault| fault.undo(&host));
    well(&desk);
}

/// Where there is no fault, nothing of them is said.
#[track_caller]
fn well(desk: &Desk) {
    let report = desk.run(&["status", &desk.name]).ok();
    assert_eq!(report["bad"], 0, "{report:#}");
    for line in report["lines"].as_array().unwrap() {
        let is_clear = line["level"] == "ok" || FAULTS.iter().all(|fault| line["name"] != fault.line);
        assert!(is_clear, "{line:#}");
    }
}

/// How `test` tells it.
#[track_caller]
fn in_test(fault: &Fault, checks: &Value, name: &str) -> String {
    let check = fault.among(checks, name);
    assert_eq!(check["status"], level(fault)[1], "{}: {check:#}", fault.what);
    format!("{}, test: {} {name}: {}", fault.what, level(fault)[1], check["seen"].as_str().unwrap())
}
