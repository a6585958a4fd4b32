//! Names and passwords through the real programs: the server reads its file of accounts, the tracker its
//! variable, the server's client its option file.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::*;

const CASES: usize = 24;
/// Each means something to one of those who read it.
const SPECIAL: &str = "@:/#'\"\\$% `;&?=+*!~^|<>(){}[],.-_éßΩж中";

/// Containers and their network, which go when the test ends.
struct Lab {
    name: String,
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = TempDir::with_prefix("mysql-").unwrap();
        // The containers' users are others.
        Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
        let lab = Self { name: format!("e2e-{}-mysql", std::process::id()), folder };
        docker(&["network", "create", "--label", "torrust-tracker-deployer.lab=host", &lab.name]);
        lab
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Starts a container that sees the folder where the server has its settings.
    fn start(&self, name: &str, image: &str, options: &[&str], command: &[&str]) {
        let (name, mount) = (
            format!("{}-{name}", self.name),
            format!("{}:{SETTINGS_INSIDE}:ro", self.folder.path().display()),
        );
        let label = "--label=torrust-tracker-deployer.lab=host";
        let run = ["run", "--detach", label, "--name", &name, "--network", &self.name, "--volume", &mount];
        docker(&[&run, options, &[image], command].concat());
    }

    /// Runs a script in a container; what it prints.
    fn exec(&self, name: &str, script: &str) -> String {
        docker(&["exec", &format!("{}-{name}", self.name), "bash", "-c", script])
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in ["server", "tracker"] {
            let name = format!("{}-{name}", self.name);
            let _ = Command::new("docker").args(["rm", "--force", "--volumes", &name]).output();
        }
        let _ = Command::new("docker").args(["network", "rm", &self.name]).output();
    }
}

fn docker(args: &[&str]) -> String {
    let ran = Command::new("docker").args(args).output().unwrap();
    assert!(ran.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Names and passwords by chance; the first has every special character.
fn databases() -> Vec<Server> {
    let all: Vec<char> = SPECIAL.chars().chain("aZ0".chars()).collect();
    let text = |length| vec(select(all.clone()), 0..length).prop_map(String::from_iter);
    let any = (text(20), text(40), text(60));
    let mut runner = TestRunner::default();
    let mut databases = vec![database("user 0 @'\"\\`", "database 0 /'\"\\`%_", &format!("{SPECIAL}🔑 "))];
    for number in 1..CASES {
        let (user, name, password) = any.new_tree(&mut runner).unwrap().current();
        // No blank at the end, which MySQL takes off.
        databases.push(database(
            &format!("u{number} {user}."),
            &format!("d{number} {name}."),
            &format!("{password}{number}"),
        ));
    }
    // The server has one administrator, whose password is the last one said.
    databases[CASES - 1].root_password = Some(Secret::Literal(SPECIAL.into()));
    databases
}

/// The tracker's variable with the database's address, as Compose reads it. Nothing but its quotes means anything there;
/// the end-to-end tests send one through Compose.
fn variable(bundle: &Bundle) -> String {
    let env_file = text_of(bundle, ".env");
    let line = env_file.lines().find(|line| line.contains("_CORE__DATABASE__PATH=")).unwrap();
    let value = line.split_once("=\"").unwrap().1.strip_suffix('"').unwrap().replace("\\\"", "\"");
    let harmless = |c: char| c.is_ascii_alphanumeric() || "\"%:/@-_~".contains(c);
    assert!(value.chars().all(harmless), "{value}");
    value
}

/// The tracker starts with each database: its login is the first since the server read the accounts, so that no earlier
/// one has left anything behind to make it easy.
const TRACKERS: &str = r#"cd /tmp; number=0
while [ -e /etc/torrust/mysql/$number.url ]; do
  TORRUST_TRACKER_CONFIG_TOML_PATH=/etc/torrust/mysql/tracker.toml \
  TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER=mysql \
  TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH="$(cat /etc/torrust/mysql/$number.url)" torrust-tracker >$number.log 2>&1 &
  tries=0
  until http_health_check http://127.0.0.1:1313/health_check >/dev/null 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 100 ] && kill -0 $! || { echo "$number"; tail -n 2 $number.log; break; }
    sleep 0.05
  done
  kill -INT $!; wait $! || :
  number=$((number + 1))
done"#;

/// The server's own client finds the tables that the tracker made.
const CLIENTS: &str = r#"cd /etc/torrust/mysql
for file in [0-9]*.cnf; do
  found=$(mysql --defaults-file=$PWD/$file --skip-column-names --execute "SHOW TABLES" 2>&1 | sort | tr '\n' ' ')
  [ "$found" = "keys torrents whitelist " ] || echo "$file: $found"
done"#;

/// Writes what a release with each database would bring.
fn write_settings(lab: &Lab, databases: &[Server]) {
    let mut accounts = String::new();
    for (number, mysql) in databases.iter().enumerate() {
        let mut env = environment(mysql.clone());
        env.config.images.tracker = "lab/tracker:3.0.0".into();
        let bundle = Bundle::of(&env).unwrap();
        accounts += &text_of(&bundle, "storage/mysql/etc/accounts.sql");
        lab.write(&format!("{number}.cnf"), &text_of(&bundle, "storage/mysql/etc/client.cnf"));
        lab.write(&format!("{number}.url"), &variable(&bundle));
        lab.write("tracker.toml", &text_of(&bundle, "storage/tracker/etc/tracker.toml"));
        lab.write("my.cnf", &text_of(&bundle, "storage/mysql/etc/my.cnf"));
        lab.write("start.sh", &text_of(&bundle, "storage/mysql/etc/start.sh"));
    }
    lab.write("accounts.sql", &accounts);
    let root = option(SPECIAL);
    lab.write("root.cnf", &format!("[client]\nsocket=/tmp/mysql.sock\nuser=root\npassword={root}\n"));
}

#[test]
#[ignore = "needs the lab's engine and images: lab/with.sh"]
fn any_name_and_password_gets_in() {
    let (lab, databases) = (Lab::new(), databases());
    write_settings(&lab, &databases);
    let start = format!("{SETTINGS_INSIDE}/start.sh");
    let options =
        ["--user=999:999", "--network-alias=mysql", "--cap-drop=ALL", "--read-only", "--tmpfs=/tmp"];
    lab.start("server", "lab/mysql:9.7", &options, &["sh", &start]);
    lab.exec(
        "server",
        "for i in {1..300}; do (: </dev/tcp/127.0.0.1/3306) 2>/dev/null && break; sleep 0.2; done",
    );
    let token = "--env=TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__ACCESS_TOKENS__ADMIN=\"x\"";
    lab.start(
        "tracker",
        "lab/tracker:3.0.0",
        &[token, "--sysctl=net.ipv6.bindv6only=1", "--entrypoint=sleep"],
        &["600"],
    );

    let root =
        lab.exec("server", "mysql --defaults-file=/etc/torrust/mysql/root.cnf -Ne 'SELECT CURRENT_USER()'");
    assert_eq!(root, "root@localhost\n");
    let failed = lab.exec("tracker", TRACKERS) + &lab.exec("server", CLIENTS);
    let shown = databases.iter().enumerate().fold(String::new(), |mut shown, (number, mysql)| {
        let _ = writeln!(
            shown,
            "{number}: {:?} {:?} {:?}",
            mysql.username,
            mysql.database_name,
            mysql.password.literal()
        );
        shown
    });
    assert_eq!(failed, "", "of these:\n{shown}");
}
