//! `release --dry-run`: what would change on the host, line by line.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use similar::TextDiff;

use super::host::{Asked, converse, on_the_host};
use super::{bundle, images, render_files, upgrade};
use crate::bundle::Bundle;
use crate::error::Result;
use crate::render::Templates;
use crate::story::Work;

/// What a release would change.
#[derive(Serialize)]
pub struct Difference {
    release_in_place: String,
    images_missing: Vec<String>,
    /// The images that the registry would be asked for again, as `update --pull` wants it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images_pulled_again: Vec<String>,
    /// What would be done to the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    files: Vec<FileDifference>,
}

#[derive(Serialize)]
struct FileDifference {
    path: String,
    diff: String,
}

fn compare(bundle: &Bundle, path: &str, contents: &[(String, String)]) -> FileDifference {
    let wanted = bundle.files.iter().find(|file| file.path == path);
    let secret = wanted.is_some_and(|file| file.mode == "0600");
    let show = |text: String| match path {
        ".env" => without_values(&text),
        _ if secret => text.lines().map(|_| "********\n").collect(),
        _ => text,
    };
    let new = show(wanted.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default());
    let old = contents
        .iter()
        .find(|(known, _)| known == path)
        .and_then(|(_, base64)| BASE64_STANDARD.decode(base64).ok());
    let old = show(old.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default());
    let diff = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .header(&format!("host/{path}"), &format!("new/{path}"))
        .to_string();
    let diff = if diff.is_empty() { format!("{path}: a secret value differs\n") } else { diff };
    FileDifference { path: path.to_owned(), diff }
}

/// A file of secrets is compared by its names: the old values are nobody's business either.
fn without_values(text: &str) -> String {
    let line =
        |line: &str| line.split_once('=').map_or(line.to_owned(), |(name, _)| format!("{name}=********"));
    text.lines().map(|text| line(text) + "\n").collect()
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let same = self.files.is_empty() && self.images_missing.is_empty() && self.database.is_none();
        if same && self.images_pulled_again.is_empty() {
            return write!(f, "nothing would change: release {} is in place", self.release_in_place);
        }
        for image in &self.images_missing {
            writeln!(f, "would get the image {image}")?;
        }
        for image in &self.images_pulled_again {
            writeln!(f, "would ask the registry again for {image}, as update --pull wants it")?;
        }
        if let Some(line) = &self.database {
            writeln!(f, "{line}")?;
        }
        for file in &self.files {
            write!(f, "{}", file.diff)?;
        }
        write!(f, "nothing was changed (--dry-run)")
    }
}

/// Compares with the host without changing it.
pub fn difference(work: &mut Work) -> Result<Difference> {
    let (seen, images_missing) = images::compare(work)?;
    let images_pulled_again = images::pulled_again(&work.env, &seen);
    images::settle(work, &seen)?;
    render_files(work)?;
    let script = Templates::of(&work.env)?.owner_script("release.sh")?;
    let source = work.env.config.images.source;
    let bundle = bundle(work)?.clone();
    let ssh = work.ssh()?;
    let (told, ran) = converse(ssh, &script, &Asked::of(ssh, &bundle, &seen.images, source), |_, input| {
        input.send("show\n");
        input.close();
        Ok(())
    })?;
    if !ran.ok() {
        return Err(on_the_host(&ran, "the comparison with the host failed"));
    }
    let files = told.changes.iter().map(|path| compare(&bundle, path, &told.contents)).collect();
    let database = upgrade::look(work)?;
    Ok(Difference {
        release_in_place: told.release.to_string(),
        images_missing,
        images_pulled_again,
        database,
        files,
    })
}
