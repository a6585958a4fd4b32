//! `releases/<n>.json`: what the releases that the host keeps were made from.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Choices, Environment, Store, unreadable, unwritable, write_whole};
use crate::config::{Config, EnvironmentName, Secret};
use crate::digest::{hex, sha256};
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::probe::random;
use crate::services::tracker::schema::TrackerImage;
use crate::state::Stage;

/// What a release on the host was made from, so that a `rollback` to it has the configuration that belongs to its files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    /// Its number on the host.
    pub number: u64,
    /// When it was put there.
    pub time: Timestamp,
    /// The release that it put back: an older one than the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back: Option<u64>,
    /// The checksum of its manifest: the host may have got another release of this number from elsewhere.
    pub manifest: String,
    /// What was found out on the host about its tracker's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_image: Option<TrackerImage>,
    /// A fingerprint of the values that its secrets had; none where an older version of the program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<String>,
    /// The choices that held.
    pub choices: Choices,
    /// The configuration; secrets stay references where they were.
    pub config: Config,
}

impl Release {
    /// A release made from what the environment is now; its number is found on the host.
    #[must_use]
    pub fn of(env: &Environment, manifest: String) -> Self {
        Self {
            number: 0,
            time: Timestamp::now(),
            put_back: None,
            manifest,
            tracker_image: env.tracker_image.clone(),
            secrets: None,
            choices: env.choices.clone(),
            // By name: a later version of the program has other images where the configuration names none.
            config: Config { images: env.config.images.pinned(), ..env.config.clone() },
        }
    }

    /// The same with a fingerprint of its secrets, of a configuration that has their values.
    #[must_use]
    pub fn with_secrets(self, revealed: &Config) -> Self {
        Self { secrets: Some(fingerprint(revealed, &hex(&random::<16>()))), ..self }
    }

    /// Whether its secrets may have other values by now. `revealed` is its configuration with those of today.
    #[must_use]
    pub fn secrets_changed(&self, revealed: &Config) -> bool {
        let Some(before) = &self.secrets else {
            let is_reference = |(_, secret): &(String, Secret)| secret.literal().is_none();
            return of_stack(&self.config).iter().any(is_reference);
        };
        let salt = before.split(' ').next().unwrap_or_default();
        *before != fingerprint(revealed, salt)
    }
}

/// The secrets that a release contains; the provider's own are not among them.
fn of_stack(config: &Config) -> Vec<(String, Secret)> {
    let mut secrets = config.secrets();
    secrets.retain(|(pointer, _)| !pointer.starts_with("/provider"));
    secrets
}

/// With a salt of its own for each release, equal secrets of two releases look different.
fn fingerprint(revealed: &Config, salt: &str) -> String {
    let of_one = |(pointer, secret): &(String, Secret)| {
        let value = secret.literal().unwrap_or_default();
        format!("{pointer} {} {value}\n", value.len())
    };
    let all: String = of_stack(revealed).iter().map(of_one).collect();
    format!("{salt} {}", sha256(format!("{salt}\n{all}")))
}

impl Store {
    fn releases_folder(&self, name: &EnvironmentName) -> PathBuf {
        self.folder(name).join("releases")
    }

    /// The releases of an environment, the oldest first.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn releases(&self, name: &EnvironmentName) -> Result<Vec<Release>> {
        let mut releases = vec![];
        for (_, file) in self.release_files(name)? {
            let bytes = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
            releases.push(serde_json::from_slice(&bytes).map_err(|error| damaged(&file, &error))?);
        }
        releases.sort_by_key(|release: &Release| release.number);
        Ok(releases)
    }

    /// The environment as it stands on the host: after an update and before its deployment, that is what the release in
    /// place was made from.
    ///
    /// # Errors
    /// A release cannot be read.
    pub fn as_it_stands(&self, env: Environment) -> Result<Environment> {
        if env.stage >= Stage::Released || env.reached() < Stage::Released {
            return Ok(env);
        }
        let in_place = |release: &Release| Some(release.number) == env.release;
        let Some(Release { mut config, choices, tracker_image, .. }) =
            self.releases(&env.name)?.into_iter().find(in_place)
        else {
            return Ok(env);
        };
        config.ssh_credentials = env.config.ssh_credentials.clone();
        let stage = if env.healthy == env.release { Stage::Running } else { Stage::Released };
        Ok(Environment { stage, tracker_image, choices, config, ..env })
    }

    /// Writes a release so that a crash leaves either none or a whole one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep_release(&self, name: &EnvironmentName, release: &Release) -> Result<()> {
        let folder = self.releases_folder(name);
        let text = serde_json::to_vec_pretty(release)
            .map_err(|error| Error::new(Code::Internal, "cannot write the release as JSON").why(error))?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let kept = made.and_then(|()| write_whole(&folder, &format!("{}.json", release.number), &text));
        kept.map_err(|error| unwritable(&folder, &error))
    }

    /// Keeps a release that was found in place, with what is known of how it came there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn know_release(&self, name: &EnvironmentName, release: Release) -> Result<()> {
        // One that cannot be read is written anew.
        let known = self.releases(name).unwrap_or_default().into_iter();
        let same = |known: &Release| known.number == release.number && known.manifest == release.manifest;
        let release = match known.into_iter().find(same) {
            Some(Release { time, put_back, .. }) => Release { time, put_back, ..release },
            None => release,
        };
        self.keep_release(name, &release)
    }

    /// Forgets all releases but these.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn forget_releases_but(&self, name: &EnvironmentName, kept: &[u64]) -> Result<()> {
        for (number, file) in self.release_files(name)? {
            if !kept.contains(&number) {
                fs::remove_file(&file).map_err(|error| unwritable(&file, &error))?;
            }
        }
        Ok(())
    }

    fn release_files(&self, name: &EnvironmentName) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.releases_folder(name);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            read => read.map_err(|error| unreadable(&folder, &error))?,
        };
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok();
        Ok(entries
            .flatten()
            .map(|entry| entry.path())
            .filter_map(|path| Some((number(&path)?, path)))
            .collect())
    }
}

fn damaged(file: &Path, error: &serde_json::Error) -> Error {
    Error::new(Code::StateDamaged, format!("{} is damaged", file.display())).why(error).help(format!(
        "without it that release cannot be put back, and all others can: rm {}",
        shown_path(file)
    ))
}
