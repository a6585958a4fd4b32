//! Names and passwords through the real programs: the server reads its file of accounts, its client the password file.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::*;

const CASES: usize = 24;
/// Each means something to one of the readers: SQL, `psql`, its password file, a shell, a connection string.
const SPECIAL: &str = "@:/#'\"\\$% `;&?=+*!~^|<>(){}[],.-_éßΩж中";
const WHERE: &str = "/etc/torrust/postgresql";

/// A server in a container without a network, which is removed when the test ends.
struct Lab {
    name: String,
    settings: TempDir,
    data: TempDir,
    /// Whose the folders are when the server does not run.
    own: String,
}

impl Lab {
    fn new(name: &str) -> Self {
        let folder = || TempDir::with_prefix("postgresql-").unwrap();
        let name = format!("e2e-{}-postgresql-{name}", std::process::id());
        let (settings, data) = (folder(), folder());
        let own = fs::metadata(settings.path()).unwrap();
        Self { name, settings, data, own: format!("{}:{}", own.uid(), own.gid()) }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.settings.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn mounts(&self) -> [String; 2] {
        let (settings, data) = (self.settings.path().display(), self.data.path().display());
        [format!("--volume={settings}:{WHERE}"), format!("--volume={data}:/var/lib/postgresql/data")]
    }

    fn give_to(&self, owner: &str) {
        let [settings, data] = self.mounts();
        let chown = ["chown", "--recursive", owner, WHERE, "/var/lib/postgresql/data"];
        docker(&[&["run", "--rm", &settings, &data, "lab/postgresql:17"], &chown[..]].concat());
    }

    fn stop(&self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.name]).output();
        self.give_to(&self.own);
    }

    /// Writes the settings that a release with this database has.
    fn settings(&self, server: &Server) {
        for file in service(&environment(server.clone())).unwrap().files {
            if let Some(name) = file.path.strip_prefix("storage/postgresql/etc/") {
                self.write(name, &String::from_utf8(file.bytes).unwrap());
            }
        }
    }

    /// Starts the server as the Compose file does; whether it answers, or else what it said at its end.
    fn start(&self) -> Result<(), String> {
        self.give_to(&format!("{USER_ID}:{USER_ID}"));
        self.start_as_it_is()
    }

    fn start_as_it_is(&self) -> Result<(), String> {
        let own = format!("{USER_ID}:{USER_ID}");
        let [settings, data] = self.mounts();
        let settings = format!("{settings}:ro");
        let start = format!("{WHERE}/start.sh");
        docker(&[
            "run",
            "--detach",
            "--label=torrust-tracker-deployer.lab=host",
            "--name",
            &self.name,
            "--user",
            &own,
            "--network=none",
            "--cap-drop=ALL",
            "--read-only",
            "--tmpfs=/tmp",
            &settings,
            &data,
            "lab/postgresql:17",
            "sh",
            &start,
        ]);
        let wait = "until (: </dev/tcp/127.0.0.1/5432) 2>/dev/null; do sleep 0.1; done";
        let up =
            Command::new("docker").args(["exec", &self.name, "timeout", "120", "bash", "-c", wait]).output();
        if up.unwrap().status.success() {
            return Ok(());
        }
        let said = Command::new("docker").args(["logs", &self.name]).output().unwrap();
        self.stop();
        Err(String::from_utf8(said.stderr).unwrap())
    }

    /// Runs a script in the container; what it prints.
    fn exec(&self, script: &str) -> String {
        docker(&["exec", &self.name, "bash", "-c", script])
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
    }
}

fn docker(args: &[&str]) -> String {
    let ran = Command::new("docker").args(args).output().unwrap();
    assert!(ran.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Random names and passwords; the first has every special character.
fn databases() -> Vec<Server> {
    let all: Vec<char> = SPECIAL.chars().chain("aZ0".chars()).collect();
    let text = |length| vec(select(all.clone()), 0..length).prop_map(String::from_iter);
    // The server cuts a name after 63 bytes.
    let any = (text(20), text(20), text(60));
    let mut runner = TestRunner::default();
    let mut databases =
        vec![database("user 0 @'\"\\`$", "host=x dbname=0 /'\"\\`%_", &format!("{SPECIAL}🔑 "))];
    for number in 1..CASES {
        let (user, name, password) = any.new_tree(&mut runner).unwrap().current();
        databases.push(database(
            &format!("u{number} {user}"),
            &format!("d{number} {name}"),
            &format!("{password}{number} "),
        ));
    }
    databases
}

/// The client of each database logs in over TCP: once with its password file, once with the password as it stands.
const CLIENTS: &str = r#"cd /etc/torrust/postgresql
ask() { env "$@" psql --no-psqlrc --no-password --quiet --tuples-only --no-align --command "$question" 2>&1; }
for client in *.client; do
  number=${client%.client}
  . ./$client
  question='CREATE TABLE keys (a int)'
  made=$(ask PGPASSFILE=$PWD/$number.password)
  question="SELECT quote_ident(tableowner) = quote_ident(current_user) FROM pg_tables WHERE tablename = 'keys'"
  found=$(ask PGPASSFILE=/nowhere PGPASSWORD="$(cat $number.plain)")
  [ "$made $found" = " t" ] || echo "$number: $made, $found"
  denied=$(ask PGPASSFILE=/nowhere PGPASSWORD="$(cat $number.plain)x" | grep -c 'password authentication failed')
  [ "$denied" = 1 ] || echo "$number: another password is accepted"
done"#;

/// Writes what a release with each database has; one server has them all.
fn write_settings(lab: &Lab, databases: &[Server]) {
    let mut accounts = String::new();
    lab.settings(&databases[0]);
    for (number, server) in databases.iter().enumerate() {
        let files = service(&environment(server.clone())).unwrap().files;
        let text = |name: &str| {
            let file = files.iter().find(|file| file.path.ends_with(&format!("/{name}"))).unwrap();
            String::from_utf8(file.bytes.clone()).unwrap()
        };
        accounts += &text("accounts.sql");
        lab.write(&format!("{number}.password"), &text("password"));
        lab.write(&format!("{number}.plain"), server.password.literal().unwrap());
        lab.write(&format!("{number}.client"), &text("client.sh").replace("exec \"$@\"\n", ""));
    }
    lab.write("accounts.sql", &accounts);
}

#[test]
#[ignore = "needs the lab's engine and images: lab/with.sh"]
fn any_name_and_password_logs_in() {
    let (lab, databases) = (Lab::new("names"), databases());
    write_settings(&lab, &databases);
    lab.start().unwrap();
    let failed = lab.exec(CLIENTS);
    let shown = databases.iter().enumerate().fold(String::new(), |mut shown, (number, server)| {
        let Server { username, database_name, password, .. } = server;
        let _ = writeln!(shown, "{number}: {username:?} {database_name:?} {:?}", password.literal());
        shown
    });
    assert_eq!(failed, "", "of these:\n{shown}");
}

const ASK: &str =
    "sh /etc/torrust/postgresql/client.sh psql --no-psqlrc --tuples-only --no-align --quiet --command";

/// A server that was killed has its data, and what changed in its settings is in force.
#[test]
#[ignore = "needs the lab's engine and images: lab/with.sh"]
fn another_user_and_password_keep_the_data() {
    let lab = Lab::new("changes");
    lab.settings(&database("first", "tracker", "first password"));
    // An interrupted first start.
    fs::create_dir(lab.data.path().join("cluster.unfinished")).unwrap();
    fs::write(lab.data.path().join("cluster.unfinished/PG_VERSION"), "").unwrap();
    lab.start().unwrap();
    let administrator = |password: &str| {
        let ask = "psql --host=127.0.0.1 --username=postgres --no-password --tuples-only --no-align --command='SELECT 1' 2>&1";
        lab.exec(&format!("PGPASSWORD='{password}' {ask} || :"))
    };
    assert!(administrator("").contains("no password supplied"), "no one logs in without a password");
    lab.exec(&format!("{ASK} 'CREATE TABLE keys (id serial, key text)'"));
    lab.exec(&format!("{ASK} \"INSERT INTO keys (key) VALUES ('one')\""));
    docker(&["kill", &lab.name]);
    lab.stop();

    let mut second = database("second", "tracker", "second password");
    second.root_password = Some(Secret::Literal("the administrator".into()));
    lab.settings(&second);
    lab.start().unwrap();
    assert_eq!(administrator("the administrator"), "1\n");
    assert!(administrator("wrong").contains("password authentication failed"));
    let changed = "ALTER TABLE keys ADD more int; INSERT INTO keys (key) VALUES ('two'); SELECT current_user, count(*) FROM keys";
    assert_eq!(lab.exec(&format!("{ASK} \"{changed}\"")), "second|2\n");
    let local =
        "psql --host=/tmp --username=postgres --tuples-only --no-align --command='SELECT current_user'";
    assert_eq!(lab.exec(local), "postgres\n");
}

/// What the server cannot use is reported, and nothing of it is changed.
#[test]
#[ignore = "needs the lab's engine and images: lab/with.sh"]
fn data_of_another_version_or_owner_is_not_touched() {
    let lab = Lab::new("refusals");
    lab.settings(&database("tracker", "tracker", "a password"));
    let file = lab.data.path().join("ibdata1");
    fs::write(&file, "mine").unwrap();
    let said = lab.start().unwrap_err();
    assert!(said.contains("holds no PostgreSQL data of ours: it has ibdata1"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    fs::remove_file(file).unwrap();

    let version = lab.data.path().join("cluster/PG_VERSION");
    fs::create_dir(version.parent().unwrap()).unwrap();
    fs::write(&version, "16\n").unwrap();
    let said = lab.start().unwrap_err();
    assert!(said.contains("created by PostgreSQL 16, and this image is PostgreSQL 17"), "{said}");
    assert_eq!(fs::read_dir(version.parent().unwrap()).unwrap().count(), 1);

    lab.give_to(&format!("{USER_ID}:{USER_ID}"));
    let close = "cd /var/lib/postgresql/data; chown 0:0 cluster; chmod 700 cluster";
    docker(&["run", "--rm", &lab.mounts()[1], "lab/postgresql:17", "sh", "-c", close]);
    let said = lab.start_as_it_is().unwrap_err();
    assert!(said.contains("user 999 cannot read storage/postgresql/data/cluster"), "{said}");
}
