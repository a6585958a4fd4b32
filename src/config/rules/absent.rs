//! The rules about what a tracker without a database, or without the API, cannot have.

use super::super::problems::Report;

/// Each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[backups_have_a_database, prometheus_has_the_api];

/// Whether the file says null there.
fn is_null(report: &Report, path: &str) -> bool {
    report.document.find(path).is_some_and(|value| value.as_null_keyword().is_some())
}

/// The configuration is made from the description, so an archive without a database would save nothing.
fn backups_have_a_database(report: &mut Report) {
    if report.document.has("backup") && is_null(report, "tracker.core.database") {
        report.error(
            "backup",
            "there is nothing to back up: `tracker.core.database` is null",
            "remove `backup`, or give the tracker a database",
        );
    }
}

fn prometheus_has_the_api(report: &mut Report) {
    if report.document.has("prometheus") && is_null(report, "tracker.http_api") {
        report.error(
            "prometheus",
            "Prometheus reads the tracker's figures from its API, and `tracker.http_api` is null",
            "remove `prometheus`, or give the tracker an API",
        );
    }
}
