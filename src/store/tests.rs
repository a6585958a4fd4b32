use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::{ProviderKind, template};
use crate::state::Stage;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("data"));
    (folder, store)
}

fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

/// A stored environment of this name, and the lock that its making took.
fn stored(store: &Store, text: &str) -> (Environment, Lock) {
    let lock = store.lock_new(&name(text), "create").unwrap();
    let config = template(ProviderKind::Docker, &name(text), Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    let mut env = Environment::new(config, Choices::default());
    store.save(&mut env).unwrap();
    (env, lock)
}

#[test]
fn what_was_saved_is_loaded() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    env.stage = Stage::Running;
    env.choices.image_tag = Some("v3".into());
    store.save(&mut env).unwrap();
    let loaded = store.load(&env.name).unwrap();
    assert_eq!(serde_json::to_value(&loaded).unwrap(), serde_json::to_value(&env).unwrap());
    assert!(loaded.modified >= loaded.created);
}

#[test]
fn what_is_unknown_in_a_file_stays_there() {
    let (_folder, store) = store();
    let (env, _lock) = stored(&store, "demo");
    let file = store.folder(&env.name).join(FILE);
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut raw: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        change(&mut raw);
        fs::write(&file, raw.to_string()).unwrap();
    };
    edit(&|raw| {
        raw["of_tomorrow"] = serde_json::json!({ "a": 1 });
        raw["choices"]["more"] = "x".into();
        raw["attempt"] = Value::Null;
        raw["host"] =
            serde_json::json!({ "origin": "registered", "address": "192.0.2.7", "port": 22, "rack": 4 });
    });
    let mut env = store.load(&env.name).unwrap();
    env.stage = Stage::Running;
    store.save(&mut env).unwrap();
    let raw: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&raw["of_tomorrow"]["a"], &raw["choices"]["more"]), (&1.into(), &"x".into()));
    assert_eq!(
        (&raw["host"]["rack"], &raw["format"], &raw["stage"]),
        (&4.into(), &1.into(), &"running".into())
    );
    assert!(raw.get("attempt").is_none());
    // What goes takes its unknown parts along.
    env.host = None;
    store.save(&mut env).unwrap();
    assert!(store.load(&env.name).unwrap().host.is_none());
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_stays() {
    let (_folder, store) = store();
    let (env, _lock) = stored(&store, "demo");
    let file = store.folder(&env.name).join(FILE);
    // Whatever else is in it: it need not be one that this version could read.
    for text in [r#"{"format": 2}"#, r#"{"format": 99, "name": 7}"#] {
        fs::write(&file, text).unwrap();
        let error = store.load(&env.name).unwrap_err();
        assert_eq!(error.code(), Code::StateNewer);
        assert!(error.message().contains("a newer version") && !error.helps().is_empty());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn a_save_keeps_the_state_before_it_and_leaves_nothing_else() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    env.stage = Stage::Provisioned;
    store.save(&mut env).unwrap();
    env.stage = Stage::Configured;
    store.save(&mut env).unwrap();
    let folder = store.folder(&env.name);
    let stage = |file: &str| {
        let env: Environment = serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap();
        env.stage
    };
    assert_eq!((stage(FILE), stage(PREVIOUS)), (Stage::Configured, Stage::Provisioned));
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    files.sort();
    assert_eq!(files, [FILE, PREVIOUS, "lock"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(FILE)), mode(&folder.join("lock"))), (0o700, 0o600, 0o600));
}

#[test]
fn a_damaged_file_names_the_copy_only_when_there_is_one() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    let file = store.folder(&env.name).join(FILE);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "{").unwrap();
    let error = store.load(&env.name).unwrap_err();
    assert_eq!(error.code(), Code::StateDamaged);
    assert!(error.helps()[0].starts_with("restore the file from a backup"), "{:?}", error.helps());
    fs::write(&file, whole).unwrap();
    store.save(&mut env).unwrap();
    fs::write(&file, "{").unwrap();
    let help = store.load(&env.name).unwrap_err().helps()[0].clone();
    assert!(help.contains("cp ") && help.contains(PREVIOUS), "{help}");
}

#[test]
fn who_only_looks_whether_a_command_is_at_work_keeps_none_from_it() {
    let (_folder, store) = store();
    let (env, lock) = stored(&store, "demo");
    drop(lock);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = store.at_work(&env.name);
            }
        });
        let refused = (0..200).find_map(|_| store.lock(&env.name, "run").err());
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(refused.is_none(), "{refused:?}");
    });
}

#[test]
fn the_lock_has_one_holder_and_is_free_when_dropped() {
    let (_folder, store) = store();
    let (env, lock) = stored(&store, "demo");
    let error = store.lock(&env.name, "deploy").unwrap_err();
    assert_eq!(error.code(), Code::EnvironmentLocked);
    assert!(error.causes()[0].starts_with("create holds it since "), "{:?}", error.causes());
    assert!(error.causes()[0].ends_with(&format!("process {}", std::process::id())), "{:?}", error.causes());
    drop(lock);
    store.lock(&env.name, "deploy").unwrap();
}

#[test]
fn of_many_at_once_exactly_one_gets_the_lock() {
    let (_folder, store) = store();
    let (env, lock) = stored(&store, "demo");
    drop(lock);
    // All keep what they got until the last one has tried.
    let tried: Vec<Result<Lock>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|_| scope.spawn(|| store.lock(&env.name, "deploy"))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(tried.iter().filter(|lock| lock.is_ok()).count(), 1);
    assert!(
        tried
            .iter()
            .filter_map(|lock| lock.as_ref().err())
            .all(|error| error.code() == Code::EnvironmentLocked)
    );
}

#[test]
fn a_removed_environment_has_no_lock_to_take() {
    let (_folder, store) = store();
    let (env, lock) = stored(&store, "demo");
    store.remove(&env.name).unwrap();
    drop(lock);
    assert_eq!(store.lock(&env.name, "deploy").unwrap_err().code(), Code::EnvironmentNotFound);
    assert!(!store.exists(&env.name).unwrap());
}

#[test]
fn a_removal_that_was_cut_off_is_finished_by_the_next_one_and_is_no_environment() {
    let (_folder, store) = store();
    for left in [".removed-demo-17", ".removed-demo-1-17"] {
        fs::create_dir_all(store.root.join(left).join("deep")).unwrap();
    }
    assert_eq!(store.names().unwrap(), []);
    assert!(store.sweep(&name("demo")).unwrap());
    assert!(!store.sweep(&name("demo")).unwrap());
    assert!(store.root.join(".removed-demo-1-17").exists(), "it is of another environment");
}

#[test]
fn a_copied_folder_is_no_environment_of_its_own() {
    let (_folder, store) = store();
    let (env, _lock) = stored(&store, "demo");
    fs::create_dir(store.folder(&name("copy"))).unwrap();
    fs::copy(store.folder(&env.name).join(FILE), store.folder(&name("copy")).join(FILE)).unwrap();
    let error = store.load(&name("copy")).unwrap_err();
    assert_eq!(error.code(), Code::StateDamaged);
    assert!(error.message().contains("is the file of demo, in the folder of copy"), "{error}");
    assert!(error.helps()[1].ends_with("purge copy --force"), "{:?}", error.helps());
}

#[test]
fn what_could_not_be_written_decides_what_is_said_of_the_rest() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    fs::create_dir(store.folder(&env.name).join("history.jsonl")).unwrap();
    let remember = |failure| store.remember(&env.name, "deploy", Timestamp::now(), failure, &[]).unwrap_err();
    let last = |error: &Error| error.helps().last().unwrap().clone();
    assert!(last(&remember(None)).starts_with("deploy itself is done, and its state is saved"));
    assert!(last(&remember(Some(Code::SshLost))).starts_with("deploy had failed before with ssh_lost"));
    fs::remove_dir_all(store.folder(&env.name)).unwrap();
    assert!(last(&store.save(&mut env).unwrap_err()).starts_with("the last change of state is not stored"));
}

#[test]
fn names_are_sorted_and_what_is_no_name_is_passed_over() {
    let (_folder, store) = store();
    assert_eq!(store.names().unwrap(), []);
    for text in ["b", "c-1", "a"] {
        stored(&store, text);
    }
    fs::create_dir(store.root.join(".trash")).unwrap();
    fs::write(store.root.join("README.txt"), "").unwrap();
    assert_eq!(store.names().unwrap(), [name("a"), name("b"), name("c-1")]);
}

#[test]
fn an_unknown_name_is_answered_with_a_near_one_or_with_how_to_create_it() {
    let (_folder, store) = store();
    stored(&store, "my-tracker");
    assert_eq!(store.load(&name("my-traker")).unwrap_err().helps(), ["did you mean my-tracker?"]);
    let helps = store.load(&name("zzz")).unwrap_err().helps().to_vec();
    assert_eq!(helps[1], "or create it: torrust-tracker-deployer create zzz");
}

#[test]
fn the_history_grows_line_by_line() {
    let (_folder, store) = store();
    let (env, _lock) = stored(&store, "demo");
    for failure in [None, Some(Code::SshLost)] {
        let steps = [StepTime { title: "Look".into(), seconds: 0.5 }];
        store.remember(&env.name, "run", Timestamp::now(), failure, &steps).unwrap();
    }
    let text = fs::read_to_string(store.folder(&env.name).join("history.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["result"], &lines[1]["result"]), (&"done".into(), &"ssh_lost".into()));
    assert_eq!(lines[1]["steps"][0]["title"], "Look");
}

#[test]
fn a_line_that_was_cut_off_takes_no_other_with_it() {
    let (_folder, store) = store();
    let (env, _lock) = stored(&store, "demo");
    let remember = || store.remember(&env.name, "run", Timestamp::now(), None, &[]).unwrap();
    remember();
    let file = store.folder(&env.name).join("history.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.clone() + &whole[..20]).unwrap();
    remember();
    assert_eq!(store.recent(&env.name).unwrap().len(), 2);
}

#[test]
fn what_a_kill_left_of_a_write_goes_with_the_next_lock() {
    let (_folder, store) = store();
    let (env, lock) = stored(&store, "demo");
    let file = |name: &str, age: u64| {
        let path = store.folder(&env.name).join(name);
        let file = fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        path
    };
    let (old, new, other) = (file(".tmpOld", 120), file(".tmpNew", 1), file("kept", 120));
    drop(lock);
    let _lock = store.lock(&env.name, "run").unwrap();
    assert_eq!((old.exists(), new.exists(), other.exists()), (false, true, true));
}

#[test]
fn releases_are_kept_by_number_and_only_as_long_as_the_host_has_them() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    assert!(store.releases(&env.name).unwrap().is_empty());
    for number in [9, 10] {
        env.choices.image_tag = Some(format!("v{number}"));
        let release = Release { number, put_back: Some(7), ..Release::of(&env, "sum".into()) };
        store.keep_release(&env.name, &release).unwrap();
    }
    let known = store.releases(&env.name).unwrap();
    assert_eq!(known.iter().map(|release| release.number).collect::<Vec<_>>(), [9, 10]);
    let file = store.folder(&env.name).join("releases/10.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Found in place again, it keeps its history; another one of that number has none.
    let found = |manifest: &str| Release { number: 10, ..Release::of(&env, manifest.into()) };
    store.know_release(&env.name, found("sum")).unwrap();
    assert_eq!(store.releases(&env.name).unwrap()[1].time, known[1].time);
    fs::write(&file, "{").unwrap();
    let damaged = store.releases(&env.name).unwrap_err();
    assert!(damaged.helps()[0].contains("10.json"));
    store.know_release(&env.name, found("other")).unwrap();
    assert_eq!(store.releases(&env.name).unwrap()[1].put_back, None);

    store.forget_releases_but(&env.name, &[10]).unwrap();
    assert_eq!(store.releases(&env.name).unwrap().len(), 1);
}

#[test]
fn until_an_update_is_deployed_the_host_stands_as_its_release_was_made() {
    let (_folder, store) = store();
    let (mut env, _lock) = stored(&store, "demo");
    store.keep_release(&env.name, &Release { number: 3, ..Release::of(&env, "sum".into()) }).unwrap();
    // A release keeps the images by name, whatever this version of the program takes where none is named.
    let mut released = env.config.clone();
    released.images = released.images.pinned();
    env.config.images.tracker = "another:1".into();
    env.stage = Stage::Configured;
    let as_it_stands = |env: &Environment| store.as_it_stands(env.clone()).unwrap();
    assert_eq!(as_it_stands(&env).config, env.config, "nothing is released");

    env.host = Some(Host::new(Origin::Registered, "192.0.2.7".into(), 22));
    (env.release, env.healthy) = (Some(3), Some(3));
    let stands = as_it_stands(&env);
    assert_eq!((&stands.config, stands.stage), (&released, Stage::Running));
    env.healthy = Some(2);
    assert_eq!(as_it_stands(&env).stage, Stage::Released, "nobody saw it healthy");
    env.release = Some(4);
    assert_eq!(as_it_stands(&env).config, env.config, "what it was made from is not known");
}
