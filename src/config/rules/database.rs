//! The rules about the database and its server.

use super::super::problems::Report;

const DATABASE: &str = "tracker.core.database";

/// Every rule about the database; each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[
    mysql_takes_the_names,
    postgresql_takes_the_names,
    driver_and_host_fit,
    external_servers_keep_their_administrator,
];

fn text(report: &Report, field: &str) -> Option<String> {
    report.document.string(&format!("{DATABASE}.{field}")).map(str::to_owned)
}

fn driver(report: &Report) -> Option<String> {
    text(report, "driver")
}

/// Whether the server is the stack's own, which has the name of its driver. On one of their own, users may choose its
/// administrator.
fn is_of_stack(report: &Report) -> bool {
    text(report, "host") == driver(report)
}

/// What a name on the MySQL server cannot have.
fn unfit_for_a_name(c: char) -> bool {
    c.is_control() || c > '\u{ffff}'
}

fn mysql_takes_the_names(report: &mut Report) {
    if driver(report).as_deref() != Some("mysql") {
        return;
    }
    if let Some(name) = text(report, "database_name") {
        mysql_takes_the_database(report, &name);
    }
    if let Some(name) = text(report, "username") {
        mysql_takes_the_user(report, &name);
    }
}

fn mysql_takes_the_database(report: &mut Report, name: &str) {
    let path = format!("{DATABASE}.database_name");
    let fix = "use a name such as torrust_tracker";
    if name.chars().any(unfit_for_a_name) || name.ends_with(' ') || [".", ".."].contains(&name) {
        let what =
            "MySQL takes no control characters and no emoji in a database's name, and no blank at its end";
        report.error(&path, what, fix);
    }
    let systems = ["mysql", "sys", "information_schema", "performance_schema"];
    if systems.iter().any(|system| name.eq_ignore_ascii_case(system)) {
        report.error(&path, format!("`{name}` is a database of the MySQL server itself"), fix);
    }
}

fn mysql_takes_the_user(report: &mut Report, name: &str) {
    let path = format!("{DATABASE}.username");
    let fix = "give the tracker a user of its own, such as tracker_user";
    if name.chars().any(unfit_for_a_name) {
        report.error(&path, "MySQL takes no control characters and no emoji in a user's name", fix);
    }
    if name.chars().count() > 32 {
        report.error(&path, "MySQL takes a user's name of at most 32 characters", "shorten it");
    }
    if is_of_stack(report) && (name.eq_ignore_ascii_case("root") || name.starts_with("mysql.")) {
        report.error(&path, format!("`{name}` is a user of the MySQL server itself"), fix);
    }
}

/// PostgreSQL cuts a longer name without an error.
const POSTGRESQL_NAME_LIMIT: usize = 63;

fn postgresql_takes_the_names(report: &mut Report) {
    if driver(report).as_deref() != Some("postgresql") {
        return;
    }
    for field in ["database_name", "username"] {
        let Some(name) = text(report, field) else { continue };
        let path = format!("{DATABASE}.{field}");
        if name.len() > POSTGRESQL_NAME_LIMIT {
            let what = format!("PostgreSQL takes names of at most {POSTGRESQL_NAME_LIMIT} bytes");
            report.error(&path, what, "shorten it");
        }
        if is_of_stack(report) && is_of_postgresql(field, &name) {
            report.error(
                &path,
                format!("`{name}` belongs to the PostgreSQL server itself"),
                "use a name such as torrust_tracker",
            );
        }
    }
}

fn is_of_postgresql(field: &str, name: &str) -> bool {
    if field == "database_name" {
        return ["postgres", "template0", "template1"].contains(&name);
    }
    ["postgres", "public", "none"].contains(&name) || name.starts_with("pg_")
}

/// The stack's own server has the name of its driver.
fn driver_and_host_fit(report: &mut Report) {
    let (Some(driver), Some(host)) = (driver(report), text(report, "host")) else { return };
    let path = format!("{DATABASE}.host");
    let fix = format!("write \"{driver}\" for the stack's own server, or the name of one of yours");
    let is = |name: &&str| host.eq_ignore_ascii_case(name);
    if driver != host && ["mysql", "postgresql"].iter().any(is) {
        let what = if host.eq_ignore_ascii_case(&driver) {
            format!("the stack's own server is `{driver}`, in small letters")
        } else {
            format!("`{host}` is the stack's own server of another driver")
        };
        report.error(&path, what, fix);
    } else if ["tracker", "prometheus", "grafana", "caddy"].iter().any(is) {
        report.error(
            &path,
            format!("`{host}` is another container of the stack, and no database server"),
            fix,
        );
    }
}

fn external_servers_keep_their_administrator(report: &mut Report) {
    let (Some(driver), Some(host)) = (driver(report), text(report, "host")) else { return };
    let path = format!("{DATABASE}.root_password");
    if driver != host && report.document.has(&path) {
        let what = "a server of your own keeps its administrator's password: this one is not used";
        report.error(&path, what, "remove it");
    }
}
