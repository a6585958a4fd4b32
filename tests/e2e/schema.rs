//! The schema of the tracker's configuration: found in the image, on the host, and kept together with it.

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;

/// The schema of the file in place, and the tag of the image that runs.
fn at_work(host: &Host) -> (String, String) {
    let schema = host.exec(
        "sed -n 's/^schema_version = \"\\(.*\\)\"/\\1/p' /opt/torrust/storage/tracker/etc/tracker.toml",
    );
    (schema, host.exec("docker inspect --format '{{.Config.Image}}' torrust-deployer-stack-tracker-1"))
}

fn is(schema: &str, image: &str) -> (String, String) {
    (schema.to_owned(), image.to_owned())
}

#[test]
fn an_update_of_the_tag_goes_from_schema_to_schema_and_back() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.deploy_on(&host);
    assert_eq!(at_work(&host), is("2.0.0", lab::TRACKER));
    let old = desk.path("old.toml");
    std::fs::write(&old, host.exec("cat /opt/torrust/storage/tracker/etc/tracker.toml")).unwrap();

    desk.run(&["update", &desk.name, "--image-tag", "schema-3"]).ok();
    assert_eq!(desk.deploy()["state"], "running");
    assert_eq!(at_work(&host), is("3.0.0", "lab/tracker:schema-3"));
    desk.test();
    assert_eq!(desk.deploy()["changed"], false);

    // Files that do not fit the image stay here.
    let placed = host.release();
    let refused =
        desk.run(&["release", &desk.name, "--config", old.to_str().unwrap()]).fails("config_invalid");
    refused
        .says(&["has schema 2.0.0, and the image lab/tracker:schema-3 wants schema 3.0.0"])
        .helps("generated");
    let own = desk.write("new.toml", &host.exec("cat /opt/torrust/storage/tracker/etc/tracker.toml"));
    let refused =
        desk.run(&["release", &desk.name, "--config", &own, "--image-tag", "3.0.0"]).fails("config_invalid");
    refused.says(&["has schema 3.0.0, and the image lab/tracker:3.0.0 wants schema 2.0.0"]);
    let unknown = desk.run(&["release", &desk.name, "--image-tag", "schema-9"]).fails("not_supported");
    unknown.says(&["lab/tracker:schema-9 wants configuration schema 9.0.0"]).helps("newer version");
    assert_eq!(host.release(), placed);
    assert_eq!(desk.deploy()["changed"], false, "the refused releases left nothing behind");

    assert_eq!(desk.run(&["rollback", &desk.name]).ok()["state"], "running");
    assert_eq!(at_work(&host), is("2.0.0", lab::TRACKER));
    desk.test();
    desk.run(&["rollback", &desk.name, "--to", "2"]).ok();
    assert_eq!(at_work(&host), is("3.0.0", "lab/tracker:schema-3"));
    desk.test();
    assert_eq!(host.exec("docker ps --all --quiet --filter label=org.torrust.deployer=look"), "");
}

#[test]
fn an_image_that_tells_nothing_is_taken_by_its_tag_and_that_is_said() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    lab::docker(&["image", "inspect", "lab/tracker:no-schema"]);
    let mut config = desk.config();
    config["images"]["tracker"] = "lab/tracker:no-schema".into();
    desk.create(&config);
    desk.register(&host);
    desk.run(&["configure", &desk.name]).ok();
    let released = desk.run_in_text(&["release", &desk.name]);
    assert_eq!(released.code, Some(0), "{}", released.err);
    let said = "the tracker's schema is 3.0.0, by the image's tag: it has neither a default configuration nor a version label";
    assert!(released.err.contains(said), "{}", released.err);
}
