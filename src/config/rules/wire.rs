//! The rules about secrets that clients of the stack would send in clear text.

use super::super::problems::Report;
use super::{API, address};

/// Each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[api_is_private_or_has_tls, grafana_has_tls];

/// What stops the file comes first.
fn has_errors(report: &Report) -> bool {
    report.problems.iter().any(|problem| !problem.warning)
}

fn api_is_private_or_has_tls(report: &mut Report) {
    let field = format!("{API}.bind_address");
    let Some(address) = address(report, &field).filter(|address| !address.ip().is_loopback()) else { return };
    if has_errors(report) || report.document.is_true(&format!("{API}.use_tls_proxy")) {
        return;
    }
    report.warning(
        &field,
        "the API is public without TLS: its clients send their tokens in clear text",
        format!(
            "set it to \"127.0.0.1:{}\" and reach it over SSH; or add \"domain\" and \"use_tls_proxy\": true",
            address.port()
        ),
    );
}

fn grafana_has_tls(report: &mut Report) {
    if !has_errors(report)
        && report.document.has("grafana")
        && !report.document.is_true("grafana.use_tls_proxy")
    {
        report.warning(
            "grafana",
            "Grafana is public without TLS: its users send their passwords in clear text",
            "add \"domain\" and \"use_tls_proxy\": true to it, and the section `https`",
        );
    }
}
