//! The container images: what a configuration names, and what this version of the program takes where it names none.

use std::fmt::{self, Display};
use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::formats;

/// The images of this version, by their fields. Looked up on 2026-11-27 in stored public text: no registry was asked, so
/// there may be newer patch releases. A database keeps its major version here: its files do not go back.
///
/// | image | why this one |
/// | --- | --- |
/// | tracker | no release has the schema 3.0.0 yet, so the branch `develop`, which is mutable; a release takes its place |
/// | mysql | the LTS series 8.4, supported until 2032; Docker's library had 8.4.11 on 2026-09-29, and 8.4.12 not |
/// | postgresql | the major version that Debian 13 has; 17.11 was in use in 2026-10 |
/// | prometheus | the LTS series 3.13, supported until 2027-07; 3.13.3 is of 2026-09-07, 3.13.4 was in use in 2026-10 |
/// | grafana | 13.2.3 was Docker Hub's on 2026-10-08; of 13.3 no release was seen |
/// | caddy | 2.11.7 is of 2026-10 |
const TRACKER: &str = "torrust/tracker:develop";
const MYSQL: &str = "mysql:8.4.11";
const POSTGRESQL: &str = "postgres:17.11";
const PROMETHEUS: &str = "prom/prometheus:v3.13.4";
const GRAFANA: &str = "grafana/grafana:13.2.3";
const CADDY: &str = "caddy:2.11.7";

/// A full image reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// The configuration names none: each version of the program has its own. It is not stored.
    Default(&'static str),
    /// The configuration names it.
    Chosen(String),
}

impl Image {
    /// Whether the configuration names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Default(_))
    }

    /// The reference.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self
    }

    /// The same reference, named.
    #[must_use]
    pub fn chosen(&self) -> Self {
        Self::Chosen(self.to_string())
    }
}

impl Deref for Image {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Default(reference) => reference,
            Self::Chosen(reference) => reference,
        }
    }
}

impl Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl From<&str> for Image {
    fn from(reference: &str) -> Self {
        Self::Chosen(reference.to_owned())
    }
}

impl From<String> for Image {
    fn from(reference: String) -> Self {
        Self::Chosen(reference)
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Chosen)
    }
}

/// The container images, a full reference each. One that is not given is what each version of the deployer has: a newer
/// deployer brings newer ones with its next release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Where the host gets them from.
    pub source: ImageSource,
    /// The tracker.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub tracker: Image,
    /// The database server, where the database is MySQL.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub mysql: Image,
    /// The database server, where the database is `PostgreSQL`.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub postgresql: Image,
    /// The metrics.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub prometheus: Image,
    /// The dashboards.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub grafana: Image,
    /// The TLS proxy.
    #[serde(skip_serializing_if = "Image::is_default")]
    #[schemars(schema_with = "formats::image")]
    pub caddy: Image,
}

impl Images {
    /// All of them by name, as they are today.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self {
            source: self.source,
            tracker: self.tracker.chosen(),
            mysql: self.mysql.chosen(),
            postgresql: self.postgresql.chosen(),
            prometheus: self.prometheus.chosen(),
            grafana: self.grafana.chosen(),
            caddy: self.caddy.chosen(),
        }
    }

    /// Whether the configuration says nothing of them.
    #[must_use]
    pub fn are_defaults(&self) -> bool {
        *self == Self::default()
    }

    /// Each with the name of its service.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &Image); 6] {
        let Self { tracker, mysql, postgresql, prometheus, grafana, caddy, .. } = self;
        [
            ("tracker", tracker),
            ("mysql", mysql),
            ("postgresql", postgresql),
            ("prometheus", prometheus),
            ("grafana", grafana),
            ("caddy", caddy),
        ]
    }

    /// What a newer version of the program changes: image references that the configuration does not name, and that are
    /// not what they were.
    #[must_use]
    pub fn moved_since(&self, before: &Self) -> Vec<Moved> {
        let pairs = self.all().into_iter().zip(before.all());
        let changed = pairs.filter(|((_, now), (_, then))| now.is_default() && ***now != ***then);
        let moved = |((name, now), (_, then)): ((_, &Image), (_, &Image))| Moved {
            name,
            then: then.to_string(),
            now: now.to_string(),
        };
        changed.map(moved).collect()
    }
}

/// An image that a newer version of the program has otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its field in the configuration.
    pub name: &'static str,
    /// What it was.
    pub then: String,
    /// What it is.
    pub now: String,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            source: ImageSource::default(),
            tracker: Image::Default(TRACKER),
            mysql: Image::Default(MYSQL),
            postgresql: Image::Default(POSTGRESQL),
            prometheus: Image::Default(PROMETHEUS),
            grafana: Image::Default(GRAFANA),
            caddy: Image::Default(CADDY),
        }
    }
}

/// Where the host gets its images from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// The host pulls them from the registry that each reference names.
    #[default]
    Registry,
    /// They are streamed from the operator's own Docker Engine; no registry is asked.
    Local,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_not_stored_and_a_chosen_one_is() {
        let images = Images { caddy: CADDY.into(), ..Images::default() };
        let stored = serde_json::to_value(&images).unwrap();
        assert_eq!(
            stored,
            serde_json::json!({ "source": "registry", "caddy": CADDY }),
            "chosen, though the same"
        );
        let read: Images = serde_json::from_value(stored).unwrap();
        assert_eq!(read, images);
        assert!(read.grafana.is_default() && !read.caddy.is_default() && !read.are_defaults());
    }

    #[test]
    fn only_unnamed_images_move_with_the_program() {
        let before = Images { grafana: "grafana/grafana:13.0.0".into(), ..Images::default().pinned() };
        let now = Images::default();
        let moved = Moved { name: "grafana", then: "grafana/grafana:13.0.0".into(), now: GRAFANA.into() };
        assert_eq!(now.moved_since(&before), [moved]);
        assert_eq!(now.pinned().moved_since(&before), [], "the user's word");
        assert_eq!(now.moved_since(&now.pinned()), []);
    }

    #[test]
    fn every_default_is_a_version_but_the_tracker_s() {
        for (name, image) in Images::default().all() {
            let version = image.rsplit(':').next().unwrap().trim_start_matches('v');
            let whole =
                version.split('.').count() >= 2 && version.split('.').all(|part| part.parse::<u32>().is_ok());
            assert_eq!(whole, name != "tracker", "{name}: {image}");
        }
    }
}
