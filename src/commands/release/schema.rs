//! Which schema the tracker's configuration has to have: the one that its image wants, as far as the host can tell.

use super::images::{Image, Seen};
use crate::error::{Code, Error, Result};
use crate::services::tracker::schema::{Found, Reason, Schema, TrackerImage};
use crate::store::Environment;

/// Notes which schema this image wants, and checks that a tracker.toml of the user's own has it. Gives a warning where
/// `tracker.schema` is another one than the image's.
///
/// # Errors
/// The image wants a schema that is not known, or another one than the user's file has.
pub fn settle(env: &mut Environment, image: &Image, seen: Option<&Seen>) -> Result<Option<String>> {
    let mut warning = None;
    if image.is_there() {
        warning = match (find(env, image, seen), Schema::chosen(&env.config)) {
            (found, None) => {
                env.tracker_image = Some(found?);
                None
            }
            (Ok(found), Some(chosen)) => {
                let differs = found.schema != chosen && found.found != Found::Reference;
                let wanted = differs.then(|| found.schema.version().to_owned());
                env.tracker_image = Some(found);
                wanted
            }
            // The user's word holds; nothing is known of the image.
            (Err(_), Some(_)) => {
                env.tracker_image = None;
                seen.and_then(|seen| seen.default_file.clone())
            }
        };
    }
    check_own(env)?;
    Ok(warning.map(|wanted| contradiction(env, &wanted)))
}

fn contradiction(env: &Environment, wanted: &str) -> String {
    let (image, chosen) = (env.tracker_reference(), env.schema());
    format!(
        "tracker.schema is \"{chosen}\", and the image {image} wants schema {wanted}: unless it reads {chosen}, too, \
         the tracker will not start; \"schema\": \"auto\" takes what the image wants"
    )
}

/// What was found before holds for as long as the image is the same one.
fn find(env: &Environment, image: &Image, seen: Option<&Seen>) -> Result<TrackerImage> {
    let (reference, id) = (image.reference.clone(), image.id.clone());
    let known = env.tracker_image.as_ref().filter(|known| known.id == id);
    let (schema, found) = match (known, seen) {
        (Some(known), _) if known.found != Found::Reference => (known.schema, known.found),
        (_, Some(Seen { default_file: Some(version), .. })) => {
            (parse(version).ok_or_else(|| unknown(env, version))?, Found::DefaultFile)
        }
        (_, Some(Seen { label: Some(label), .. })) if of_label(label).is_some() => {
            (of_label(label).unwrap_or(Schema::V3), Found::VersionLabel)
        }
        _ => (Schema::of_reference(&reference), Found::Reference),
    };
    Ok(TrackerImage { reference, id, schema, found })
}

fn parse(version: &str) -> Option<Schema> {
    [Schema::V2, Schema::V3].into_iter().find(|schema| schema.version() == version)
}

/// The label has the version or the branch that an image was made from; a branch tells nothing.
fn of_label(label: &str) -> Option<Schema> {
    let mut numbers = label.trim_start_matches('v').split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next()?.ok()?, numbers.next()) {
        (3, Some(Ok(0))) => Some(Schema::V2),
        (3, Some(Ok(_))) | (4.., _) => Some(Schema::V3),
        _ => None,
    }
}

/// The schema in a few words, for the step's note.
#[must_use]
pub fn note(env: &Environment) -> String {
    let (schema, reason) = env.schema_and_reason();
    let why = match reason {
        Reason::Image(Found::DefaultFile) => "",
        Reason::Image(Found::VersionLabel) => ", by the image's version label",
        Reason::Image(Found::Reference) => {
            ", by the image's tag: it has neither a default configuration nor a version label"
        }
        Reason::Configured => ", as tracker.schema says",
        Reason::Reference => ", by the image's tag: the host does not have the image yet",
    };
    format!("the tracker's schema is {schema}{why}")
}

fn unknown(env: &Environment, version: &str) -> Error {
    let (image, name) = (env.tracker_reference(), &env.name);
    Error::new(
        Code::NotSupported,
        format!("the image {image} wants configuration schema {version}, which is not known"),
    )
    .why("2.0.0 and 3.0.0 are known; the release in place was not changed")
    .help("use a newer version of torrust-tracker-deployer")
    .help(format!("or another image: torrust-tracker-deployer release {name} --image-tag TAG"))
    .help("or, where the image reads an older schema, too, name that: \"tracker\": { \"schema\": \"3.0.0\" }")
}

/// The schema of a tracker.toml.
#[must_use]
pub fn of_toml(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("metadata")?.get("schema_version")?.as_str()?.to_owned())
}

fn check_own(env: &Environment) -> Result<()> {
    let Some(own) = env.choices.tracker_toml.as_deref() else { return Ok(()) };
    let (wanted, image, name) = (env.schema(), env.tracker_reference(), &env.name);
    let has = of_toml(own);
    if has.as_deref() == Some(wanted.version()) {
        return Ok(());
    }
    let has = has.map_or("no schema version".into(), |has| format!("schema {has}"));
    let what = format!("your own tracker.toml has {has}, and the image {image} wants schema {wanted}");
    Err(Error::new(Code::ConfigInvalid, what)
        .why("the file came with release --config; the release in place was not changed")
        .help(format!(
            "write it for schema {wanted}, then: torrust-tracker-deployer release {name} --config FILE"
        ))
        .help(format!("or use the generated one: torrust-tracker-deployer release {name} --config generated"))
        .help(format!("or an image that reads it: torrust-tracker-deployer release {name} --image-tag TAG")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_label_tells_the_schema_and_a_branch_does_not() {
        for label in ["3.0.0", "v3.0.0", "3.0", "3.0.1-rc.1"] {
            assert_eq!(of_label(label), Some(Schema::V2), "{label}");
        }
        for label in ["3.1.0", "4.0.0-rc.1", "4", "10.2"] {
            assert_eq!(of_label(label), Some(Schema::V3), "{label}");
        }
        for label in ["develop", "main", "", "3", "2.9.0", "latest"] {
            assert_eq!(of_label(label), None, "{label}");
        }
    }

    #[test]
    fn the_schema_of_a_file_is_read_and_not_guessed() {
        assert_eq!(of_toml("[metadata]\nschema_version = '2.0.0'\n").as_deref(), Some("2.0.0"));
        assert_eq!(of_toml("metadata.schema_version = \"3.0.0\"").as_deref(), Some("3.0.0"));
        assert_eq!(of_toml("# schema_version = \"3.0.0\"\n[logging]\n"), None);
    }
}
