//! Images that a newer version of the program brings: those that the configuration does not name.

use crate::config::Moved;
use crate::services;
use crate::story::Work;

/// Says which images the next release has because this version of the program has others than the one that made the
/// release in place.
pub fn announce(work: &Work) {
    let in_place = work.env.release;
    // A record that cannot be read is reported where it is needed: here it would only explain.
    let releases = work.app.store.releases(&work.env.name).unwrap_or_default();
    let Some(before) = releases.into_iter().find(|release| Some(release.number) == in_place) else { return };
    let moved = work.env.config.images.moved_since(&before.config.images);
    let images = services::images(&work.env);
    for Moved { name, then, now } in moved.iter().filter(|moved| images.contains(&moved.now)) {
        work.app.out.warn(&format!(
            "{name}: this version of the deployer has the image {now}, the release in place {then}; \
             to keep that one, name it: \"images\": {{ \"{name}\": \"{then}\" }}"
        ));
    }
}
