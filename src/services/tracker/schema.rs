//! Which schema the tracker's own configuration file has: the one that its image wants.

use serde::{Deserialize, Serialize};

use crate::config::formats::image_parts;
use crate::config::{Config, SchemaChoice};
use crate::store::Environment;

/// The schema of a `tracker.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schema {
    /// That of release 3.0.0.
    #[serde(rename = "2.0.0")]
    V2,
    /// That of images made since 2026-08-26.
    #[serde(rename = "3.0.0")]
    V3,
}

/// What was found out on the host about the tracker's image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerImage {
    /// The reference that led to it.
    pub reference: String,
    /// Its id.
    pub id: String,
    /// The schema that it wants.
    pub schema: Schema,
    /// How that was found.
    pub found: Found,
}

/// How an image's schema was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The default configuration in the image has it.
    DefaultFile,
    /// The image's label with its version tells.
    VersionLabel,
    /// The image has neither: its reference decides.
    Reference,
}

impl Schema {
    /// The schema that an image of this reference most likely wants: release 3.0.0 is the only one with the older schema.
    #[must_use]
    pub fn of_reference(image: &str) -> Self {
        let (_, tag, _) = image_parts(image);
        if matches!(tag, Some("3.0.0" | "v3.0.0" | "3.0" | "v3")) { Self::V2 } else { Self::V3 }
    }

    /// The schema that a configuration names itself.
    #[must_use]
    pub fn chosen(config: &Config) -> Option<Self> {
        match config.tracker.schema {
            SchemaChoice::Auto => None,
            SchemaChoice::V2 => Some(Self::V2),
            SchemaChoice::V3 => Some(Self::V3),
        }
    }

    /// The version, as the file has it.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V2 => "2.0.0",
            Self::V3 => "3.0.0",
        }
    }
}

impl std::fmt::Display for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.version())
    }
}

/// Why a schema was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `tracker.schema` says so.
    Configured,
    /// The image on the host wants it.
    Image(Found),
    /// No image was looked at: its reference decides.
    Reference,
}

impl Environment {
    /// The tracker's image, with the tag that `release --image-tag` chose.
    #[must_use]
    pub fn tracker_reference(&self) -> String {
        let image: &str = &self.config.images.tracker;
        match &self.choices.image_tag {
            None => image.to_owned(),
            Some(tag) => format!("{}:{tag}", image_parts(image).0),
        }
    }

    /// The schema of the tracker's configuration file.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.schema_and_reason().0
    }

    /// The schema, and why it is that one.
    #[must_use]
    pub fn schema_and_reason(&self) -> (Schema, Reason) {
        let reference = self.tracker_reference();
        let found = self.tracker_image.as_ref().filter(|image| image.reference == reference);
        match (Schema::chosen(&self.config), found) {
            (Some(schema), _) => (schema, Reason::Configured),
            (None, Some(image)) => (image.schema, Reason::Image(image.found)),
            (None, None) => (Schema::of_reference(&reference), Reason::Reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ProviderKind, template};
    use crate::store::Choices;

    fn environment(image: &str) -> Environment {
        let mut config = template(ProviderKind::Docker, &"demo".parse().unwrap(), Path::new("/k")).unwrap();
        config.images.tracker = image.into();
        Environment::new(config, Choices::default())
    }

    #[test]
    fn a_reference_tells_release_3_0_0_from_all_others() {
        let digest = format!("torrust/tracker:3.0.0@sha256:{}", "0".repeat(64));
        for image in [
            "torrust/tracker:3.0.0",
            "r.example.org:5000/tracker:v3.0.0",
            "tracker:3.0",
            "torrust/tracker:v3",
            &digest,
        ] {
            assert_eq!(Schema::of_reference(image), Schema::V2, "{image}");
        }
        for image in
            ["torrust/tracker:develop", "torrust/tracker", "r.example.org:3.0/t", "t:3.0.1", "t:4.0.0"]
        {
            assert_eq!(Schema::of_reference(image), Schema::V3, "{image}");
        }
    }

    #[test]
    fn the_choice_comes_before_the_finding_and_that_before_the_reference() {
        let mut env = environment("lab/tracker:3.0.0");
        assert_eq!(env.schema_and_reason(), (Schema::V2, Reason::Reference));
        env.tracker_image = Some(TrackerImage {
            reference: "lab/tracker:other".into(),
            id: "sha256:1".into(),
            schema: Schema::V3,
            found: Found::DefaultFile,
        });
        assert_eq!(env.schema_and_reason(), (Schema::V2, Reason::Reference), "found of another image");
        env.choices.image_tag = Some("other".into());
        assert_eq!(env.schema_and_reason(), (Schema::V3, Reason::Image(Found::DefaultFile)));
        env.config.tracker.schema = SchemaChoice::V2;
        assert_eq!(env.schema_and_reason(), (Schema::V2, Reason::Configured));
    }
}
