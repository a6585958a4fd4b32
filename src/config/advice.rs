//! The rules about secrets that stand in the file itself. A message never has the secret's text in it.

use super::Hetzner;
use super::problems::Report;
use super::secret::variable_of;

/// Every rule about secrets; each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[
    mysql_passwords_fit,
    token_fits_prometheus,
    password_fits_grafana,
    secrets_are_no_examples,
    secrets_are_no_shell_variables,
    hetzner_token_fits,
];

const SECRETS: &[&str] = &[
    "provider.api_token",
    "tracker.core.database.password",
    "tracker.core.database.root_password",
    "tracker.http_api.admin_token",
    "grafana.admin_password",
];

/// The longest password that MySQL's authentication takes, in bytes.
pub const MYSQL_PASSWORD_LIMIT: usize = 256;

fn literal<'r>(report: &'r Report, path: &str) -> Option<&'r str> {
    report.document.string(path).filter(|text| !text.is_empty() && variable_of(text).is_none())
}

/// Whether an HTTP header can carry this text as it is.
#[must_use]
pub fn fits_header(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text
}

fn token_fits_prometheus(report: &mut Report) {
    let path = "tracker.http_api.admin_token";
    if report.document.has("prometheus") && literal(report, path).is_some_and(|token| !fits_header(token)) {
        report.error(
            path,
            "Prometheus sends this token in an HTTP header, which takes ASCII characters, without a blank at either end",
            "make another one: openssl rand -hex 24; or remove `prometheus`",
        );
    }
}

/// Whether Grafana takes this password as it is.
#[must_use]
pub fn fits_grafana(text: &str) -> bool {
    text.trim() == text && text.chars().count() >= 4
}

fn password_fits_grafana(report: &mut Report) {
    let path = "grafana.admin_password";
    if literal(report, path).is_some_and(|password| !fits_grafana(password)) {
        report.error(
            path,
            "Grafana takes four characters at least, without a blank at either end",
            "make a better one: openssl rand -hex 24",
        );
    }
}

fn mysql_passwords_fit(report: &mut Report) {
    if report.document.string("tracker.core.database.driver") != Some("mysql") {
        return;
    }
    for path in ["tracker.core.database.password", "tracker.core.database.root_password"] {
        if literal(report, path).is_some_and(|text| text.len() > MYSQL_PASSWORD_LIMIT) {
            let what = format!("MySQL takes passwords of at most {MYSQL_PASSWORD_LIMIT} bytes");
            report.error(path, what, "choose a shorter one; 32 random characters are plenty");
        }
    }
}

/// Values that documentation and templates have made known to everyone.
fn is_example(text: &str) -> bool {
    const KNOWN: &[&str] = &[
        "myaccesstoken",
        "admin",
        "administrator",
        "password",
        "passwd",
        "secret",
        "token",
        "changeme",
        "root",
        "test",
        "tracker",
        "torrust",
        "grafana",
        "mysql",
        "postgres",
        "postgresql",
        "admin-password",
        "tracker_password",
        "secure_password",
        "root_secret_password",
        "db_user_secret_password",
    ];
    let text = text.to_ascii_lowercase();
    let placeholder =
        ["replace", "change_", "change-", "your_", "your-", "<"].iter().any(|head| text.starts_with(head));
    placeholder || KNOWN.contains(&text.as_str())
}

/// The places of all secrets, with those of tokens under the user's own labels.
fn places(report: &Report) -> Vec<String> {
    let tokens = "tracker.http_api.access_tokens";
    let labels = report.document.find(tokens).and_then(jsonc_parser::ast::Value::as_object);
    let labels = labels.into_iter().flat_map(|object| &object.properties);
    let labelled = labels.map(|property| format!("{tokens}.{}", property.name.as_str()));
    SECRETS.iter().map(|&path| path.to_owned()).chain(labelled).collect()
}

fn secrets_are_no_examples(report: &mut Report) {
    const SHORTEST: usize = 8;
    for path in &places(report) {
        let Some(text) = literal(report, path) else { continue };
        let what = if is_example(text) {
            "this is an example's secret: everyone knows it"
        } else if text.chars().count() < SHORTEST {
            "this secret is short enough to be guessed"
        } else {
            continue;
        };
        report.warning(path, what, "make one of your own: openssl rand -hex 24");
    }
}

fn secrets_are_no_shell_variables(report: &mut Report) {
    for path in &places(report) {
        let name = literal(report, path).and_then(|text| text.strip_prefix('$'));
        if let Some(name) = name.filter(|name| super::secret::is_variable_name(name)).map(str::to_owned) {
            let fix = format!("for the environment variable write \"${{{name}}}\"");
            report.warning(path, "this is taken as it stands: a `$` without braces is no reference", fix);
        }
    }
}

fn hetzner_token_fits(report: &mut Report) {
    let path = "provider.api_token";
    // What is no token at all has been reported as that.
    let token = literal(report, path).filter(|text| !is_example(text) && !text.starts_with('$'));
    let length = token.map(|text| text.chars().count());
    if length.is_some_and(|length| length != Hetzner::TOKEN_LENGTH) {
        report.error(
            path,
            format!("a token of the Hetzner Cloud API has {} characters, this one has not", Hetzner::TOKEN_LENGTH),
            "make one in the Hetzner console (Security, API tokens); best kept outside of the file: \"${HCLOUD_TOKEN}\"",
        );
    }
}
