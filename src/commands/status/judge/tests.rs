//! Faults, one at a time, on a host that is well otherwise.

use jiff::Timestamp;

use super::*;
use crate::commands::status::facts::{
    Container, Disk, Docker, Network, Other, Release, Restore, Security, Storage, System, Told,
};

const IMAGE: &str = "torrust/tracker:develop";

fn wanted(stage: Stage) -> Wanted {
    let tracker = services::Container {
        name: "tracker",
        image: IMAGE.into(),
        networks: vec!["tracker"],
        ..services::Container::default()
    };
    Wanted {
        name: "demo".into(),
        stage,
        containers: vec![tracker],
        default_images: vec![],
        addresses: ["192.0.2.7", "fd00::7"].map(|address| address.parse().unwrap()).into(),
        made_by_us: true,
        firewall: true,
    }
}

fn container() -> Container {
    Container {
        id: "1".into(),
        name: "torrust-deployer-stack-tracker-1".into(),
        service: "tracker".into(),
        state: "running".into(),
        health: "healthy".into(),
        started: Some(Timestamp::now()),
        finished: Some(Timestamp::now()),
        image: IMAGE.into(),
        image_id: "sha256:0123456789abcdef".into(),
        networks: vec!["torrust-deployer-stack_tracker".into()],
        cpu_percent: Some(3.25),
        memory: Some(22 << 20),
        memory_limit: Some(2 << 30),
        ..Container::default()
    }
}

fn disk() -> Disk {
    Disk { path: "/".into(), bytes: 40 << 30, free: 30 << 30, files: 1000, files_free: 900 }
}

fn well() -> Facts {
    Facts {
        ended: 1.0,
        docker: Docker {
            version: Some("26.1.5".into()),
            containers: vec![container()],
            images: [(IMAGE.into(), Some("sha256:0123456789abcdef".into()))].into(),
            ..Docker::default()
        },
        system: Some(System {
            uptime: 7300.0,
            load: 0.25,
            processors: 2,
            memory: 4 << 30,
            memory_free: 3 << 30,
            container: None,
            synchronised: true,
        }),
        release: Some(Release {
            environment: Some("demo".into()),
            number: Some("3".into()),
            files: 7,
            ..Release::default()
        }),
        network: Some(Network {
            route_v4: Some("192.0.2.7".parse().unwrap()),
            route_v6: Some("fd00::7".parse().unwrap()),
            firewall: Some(true),
            names: [("archive.example.org".into(), Some("192.0.2.80".parse().unwrap()))].into(),
        }),
        storage: Some(Storage { disks: vec![disk()], folders: vec![] }),
        security: Some(Security { packages: Some(vec![]), fetched: crate::commands::status::facts::now() }),
        ..Facts::default()
    }
}

/// The only line that is not well after this change.
#[track_caller]
fn fault(change: impl FnOnce(&mut Facts)) -> Line {
    let mut facts = well();
    change(&mut facts);
    let clock = Clock { offset: 0.01, uncertainty: 0.1 };
    let mut lines = judge(&facts, &wanted(Stage::Running), Some(clock));
    lines.retain(|line| line.level != Level::Ok);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

#[track_caller]
fn assert_fault(level: Level, name: &str, told: &str, change: impl FnOnce(&mut Facts)) {
    let line = fault(change);
    assert_eq!((line.level, line.name.as_str()), (level, name), "{line:#?}");
    assert!(line.told().contains(told), "{told:?} is not in: {}", line.told());
    assert!(line.help.iter().any(|help| !help.is_empty()), "no help: {line:#?}");
}

#[test]
fn a_host_that_is_well() {
    let lines = judge(&well(), &wanted(Stage::Running), Some(Clock { offset: 0.3, uncertainty: 0.1 }));
    assert!(lines.iter().all(|line| line.level == Level::Ok && line.help.is_empty()), "{lines:#?}");
    let tracker = lines.iter().find(|line| line.name == "tracker").unwrap();
    assert_eq!(
        tracker.seen,
        "running, healthy, up 0 seconds, 0 restarts, CPU 3.2 %, 22.0 MiB of 2.0 GiB, torrust/tracker:develop (0123456789ab)"
    );
}

/// The user changed nothing: a newer version of the program names another image, and nothing was deployed since.
#[test]
fn image_of_an_earlier_version_is_a_warning_until_the_next_deploy() {
    let mut facts = well();
    let old = "torrust/tracker:3.0.0";
    facts.docker.containers[0].image = old.into();
    facts.release.as_mut().unwrap().images = [(old.into(), "sha256:0123456789abcdef".into())].into();
    let clock = Clock { offset: 0.01, uncertainty: 0.1 };
    let default = Wanted { default_images: vec![IMAGE.into()], ..wanted(Stage::Running) };
    let line = |wanted: &Wanted| {
        let lines = judge(&facts, wanted, Some(clock));
        lines.into_iter().find(|line| line.name == "tracker").unwrap()
    };
    assert_eq!(line(&default).level, Level::Warning);
    assert_eq!(line(&default).help, ["torrust-tracker-deployer deploy demo"]);
    assert_eq!(line(&wanted(Stage::Running)).level, Level::Bad, "where the user names the image");
}

/// A healthy container says that the health-check API answers; what it answers is another line.
#[test]
fn listener_that_does_not_work_is_bad_though_the_container_is_healthy() {
    let name = crate::services::tracker::health::LISTENERS;
    let told = Told { name: name.into(), ok: false, seen: "udp://0.0.0.0:6969: Timeout".into() };
    let line = fault(|facts| facts.checks = Some(vec![told]));
    assert_eq!((line.level, line.topic, line.name.as_str()), (Level::Bad, Topic::Services, name));
    assert_eq!(line.help, ["torrust-tracker-deployer logs demo tracker"]);
}

#[test]
fn fault_of_an_external_database_leads_to_its_check() {
    let told = |name: &str| Told { name: name.into(), ok: false, seen: "refuses the connection".into() };
    let help = |name: &str| fault(|facts| facts.checks = Some(vec![told(name)])).help;
    let external = help("external MySQL: the tracker's user finds its tables");
    assert_eq!(
        external,
        [
            "torrust-tracker-deployer ssh demo -- 'cd /opt/torrust && sudo python3 database/look.py'",
            "what each message means: docs/databases.md"
        ]
    );
    assert!(help("MySQL: tables").iter().any(|line| line.ends_with("backup demo list")));
}

#[test]
fn faults_of_containers() {
    use Level::{Bad, Warning};
    type Change = fn(&mut Container);
    let faults: [(Level, &str, Change); 9] = [
        (Bad, "exited with exit code 137", |one| (one.state, one.exit_code) = ("exited".into(), 137)),
        (Bad, "for want of memory", |one| (one.state, one.out_of_memory) = ("exited".into(), true)),
        (Bad, "paused", |one| one.state = "paused".into()),
        (Bad, "running, unhealthy", |one| one.health = "unhealthy".into()),
        (Bad, "expected the image torrust/tracker:develop", |one| one.image = "other:1".into()),
        (Bad, "on the network torrust-deployer-stack_tracker", |one| one.networks.clear()),
        (Warning, "to name the image that runs", |one| one.image_id = "sha256:old".into()),
        (Warning, "3 restarts", |one| one.restarts = 3),
        (Warning, "running, starting", |one| one.health = "starting".into()),
    ];
    for (level, told, change) in faults {
        assert_fault(level, "tracker", told, |facts| change(&mut facts.docker.containers[0]));
    }
    assert_fault(Bad, "tracker", "expected a running one", |facts| facts.docker.containers.clear());
    assert_fault(Bad, "tracker", "that was released as", |facts| {
        facts.release.as_mut().unwrap().images.insert(IMAGE.into(), "sha256:released".into());
    });
    let twice = Container { name: "torrust-deployer-stack-tracker-2".into(), ..container() };
    assert_fault(Bad, "torrust-deployer-stack-tracker-2", "no such container", |facts| {
        facts.docker.containers.push(twice);
    });
    assert_fault(Bad, "Docker Engine", "refused", |facts| facts.docker.error = Some("refused".into()));
    let other =
        |network: &str| Other { name: "web".into(), image: "nginx".into(), networks: vec![network.into()] };
    assert_fault(Bad, "web", "on the stack's networks", |facts| {
        facts.docker.others.push(other("torrust-deployer-stack_database"));
    });
    assert_fault(Warning, "web", "but the stack's", |facts| facts.docker.others.push(other("bridge")));
}

#[test]
fn faults_of_the_release() {
    let drift = |facts: &mut Facts, what: &str| {
        facts.release.as_mut().unwrap().drift.push(("storage/x".into(), what.into()));
    };
    for (what, told) in [
        ("changed", "the file of release 3, seen: another content"),
        ("missing", "no such file"),
        ("open", "others may read it"),
        ("unlinked", "that systemd has this unit"),
        ("[Errno 5] Input/output error", "[Errno 5]"),
    ] {
        assert_fault(Level::Bad, "storage/x", told, |facts| drift(facts, what));
    }
    assert_fault(Level::Bad, "files", "nothing is released", |facts| {
        facts.release.as_mut().unwrap().number = None;
    });
    assert_fault(Level::Bad, "owner", "expected demo, seen: other", |facts| {
        facts.release.as_mut().unwrap().environment = Some("other".into());
    });
}

#[test]
fn faults_of_the_machine() {
    use Level::{Bad, Warning};
    assert_fault(Warning, "memory", "free", |facts| facts.system.as_mut().unwrap().memory_free = 9 << 20);
    assert_fault(Warning, "time synchronisation", "not synchronised", |facts| {
        facts.system.as_mut().unwrap().synchronised = false;
    });
    assert_fault(Warning, "security updates", "6 wait (a, b, c, d, e and 1 more)", |facts| {
        facts.security.as_mut().unwrap().packages =
            Some(["a", "b", "c", "d", "e", "f"].map(Into::into).into());
    });
    assert_fault(Warning, "security updates", "lists of this week", |facts| {
        facts.security.as_mut().unwrap().fetched -= 8.0 * 86_400.0;
    });
    assert_fault(Warning, "reboot", "needed for linux-image", |facts| {
        facts.reboot = Some(vec!["linux-image".into()]);
    });
    let disk =
        |facts: &mut Facts, change: fn(&mut Disk)| change(&mut facts.storage.as_mut().unwrap().disks[0]);
    assert_fault(Bad, "disk of /", "0 B of 40.0 GiB free", |facts| disk(facts, |disk| disk.free = 0));
    assert_fault(Warning, "disk of /", "3.0 GiB of", |facts| disk(facts, |disk| disk.free = 3 << 30));
    assert_fault(Bad, "disk of /", "room for 9 more files", |facts| disk(facts, |disk| disk.files_free = 9));
    let told = Told { name: "backups".into(), ok: false, seen: "the last one failed".into() };
    assert_fault(Bad, "backups", "the last one failed", |facts| facts.checks = Some(vec![told]));
}

#[test]
fn faults_of_the_network() {
    use Level::{Bad, Warning};
    let network = |facts: &mut Facts, change: fn(&mut Network)| change(facts.network.as_mut().unwrap());
    let (route, dns) = ("route to other networks", "DNS on the host");
    assert_fault(Bad, route, "expected one over IPv4, seen: IPv6 from fd00::7", |facts| {
        network(facts, |network| network.route_v4 = None);
    });
    assert_fault(Warning, route, "expected one over IPv6, seen: IPv4 from 192.0.2.7", |facts| {
        network(facts, |network| network.route_v6 = None);
    });
    assert_fault(Bad, route, "expected one over IPv4, seen: none", |facts| {
        network(facts, |network| (network.route_v4, network.route_v6) = (None, None));
    });
    assert_fault(Warning, dns, "seen: archive.example.org not found", |facts| {
        network(facts, |network| network.names.values_mut().for_each(|address| *address = None));
    });
    assert_fault(Bad, "firewall", "ufw is inactive", |facts| {
        network(facts, |network| network.firewall = Some(false));
    });
    let line = fault(|facts| network(facts, |network| network.names.clear()));
    assert_eq!((line.level, line.name.as_str()), (Level::Skipped, dns));
}

#[test]
fn a_clock_is_off_only_where_the_way_there_cannot_explain_it() {
    let level = |offset, uncertainty| {
        let lines = judge(&well(), &wanted(Stage::Running), Some(Clock { offset, uncertainty }));
        lines.into_iter().find(|line| line.name == "clock").unwrap().level
    };
    assert_eq!(level(0.9, 0.1), Level::Ok);
    assert_eq!(level(-3.0, 2.5), Level::Ok);
    assert_eq!(level(-3.0, 0.1), Level::Warning);
    assert_eq!(level(90.0, 1.0), Level::Bad);
}

#[test]
fn before_it_runs_nothing_is_missing() {
    let levels = |facts: &Facts, stage| {
        judge(facts, &wanted(stage), None).iter().map(|line| line.level).max_by_key(|level| *level as u8)
    };
    let mut facts = well();
    facts.docker.containers.clear();
    facts.release = Some(Release::default());
    assert_eq!(levels(&facts, Stage::Configured), Some(Level::Skipped));
    assert_eq!(levels(&Facts::default(), Stage::Provisioned), Some(Level::Skipped));
    assert_eq!(levels(&Facts::default(), Stage::Configured), Some(Level::Bad));
    facts.docker.error = Some("FileNotFoundError".into());
    assert_eq!(levels(&facts, Stage::Provisioned), Some(Level::Skipped));
    assert_eq!(levels(&facts, Stage::Configured), Some(Level::Bad));
}

#[test]
fn a_restore_that_is_not_over_says_what_to_type() {
    for (at_work, level) in [(true, Level::Warning), (false, Level::Bad)] {
        let mut facts = well();
        facts.docker.containers[0].state = "exited".into();
        facts.release.as_mut().unwrap().restore = Some(Restore { id: "20260131T030000Z-1".into(), at_work });
        let lines = judge(&facts, &wanted(Stage::Running), None);
        let line = |name: &str| lines.iter().find(|line| line.name == name).unwrap();
        assert_eq!(line("restore").level, level);
        for name in ["restore", "tracker"] {
            assert_eq!(line(name).help, ["torrust-tracker-deployer backup demo restore 20260131T030000Z-1"]);
        }
    }
}
