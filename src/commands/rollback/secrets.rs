//! Which secrets a release has that is put back: those of today, or those that it was made with.

use super::Options;
use crate::bundle::Bundle;
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::store::Release;
use crate::story::Work;

/// What to do where a release is healthy with the secrets of then alone.
pub const CHECK: &str = "check the secrets that the configuration refers to: with the values of today nothing got healthy, and the next release has those again";

/// The release's files with the secrets of today, where they are others than those in the kept files: what was changed because
/// others know it must not be in force again, and what was changed elsewhere, too, would not open anything.
pub fn of_today(work: &mut Work, target: &Release) -> Result<Option<Bundle>> {
    work.options.rollback.new_secrets = false;
    if work.options.rollback.old_secrets {
        return Ok(None);
    }
    let revealed = work.revealed()?;
    if !target.secrets_changed(&revealed.config) {
        return Ok(None);
    }
    let bundle = Bundle::of(revealed)?;
    work.options.rollback.new_secrets = sha256(bundle.manifest()) != target.manifest;
    Ok(work.options.rollback.new_secrets.then_some(bundle))
}

/// What the release that is put back becomes: the next one, which knows where it is from.
pub fn as_next(work: &mut Work, target: &Release, files: Option<&Bundle>) -> Result<Release> {
    let put_back = Some(target.put_back.unwrap_or(target.number));
    let of = |manifest| Release { put_back, ..Release::of(&work.env, manifest) };
    let Some(files) = files else {
        return Ok(Release { secrets: target.secrets.clone(), ..of(target.manifest.clone()) });
    };
    Ok(of(sha256(files.manifest())).with_secrets(&work.revealed()?.config))
}

/// What is sent to be put in place.
pub fn sent(files: Option<&Bundle>, changes: &[String]) -> Result<Vec<u8>> {
    files.map_or(Ok(vec![]), |files| files.tar(changes))
}

/// What the step adds to its note.
pub fn note(files: Option<&Bundle>) -> &'static str {
    if files.is_some() { ", with the secrets of today" } else { "" }
}

/// What is said of a release that came back by itself.
pub fn told(options: Options) -> &'static str {
    match (options.old_secrets, options.new_secrets) {
        (true, _) => " with the secrets that it was made with",
        (false, true) => " with the secrets of today",
        (false, false) => "",
    }
}

/// Whether the secrets of today may be what keeps the release unhealthy; those of then are taken for it from here on.
pub fn may_be_why(work: &mut Work, again: &Error, number: u64) -> bool {
    if again.code() != Code::ServiceUnhealthy || !work.options.rollback.new_secrets {
        return false;
    }
    let what = format!("with the secrets of today, release {number} does not get healthy either ({again})");
    work.app.out.warn(&format!("{what}; putting it back with those that it was made with"));
    work.options.rollback.old_secrets = true;
    true
}
