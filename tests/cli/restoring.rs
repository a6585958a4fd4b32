//! The scripts of `templates/backup/` themselves, on a folder that stands for a host: cut off before each thing that they do.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub const ID: &str = "20260131T030000Z-1";
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/backup");
pub const SQLITE: (&str, &str) = ("sqlite3", "storage/tracker/lib/database/tracker.db");
pub const MYSQL: (&str, &str) = ("mysql", "storage/mysql/data");
const POSTGRESQL: (&str, &str) = ("postgresql", "storage/postgresql/data");

/// The power goes at the call whose number is in `cut`; a removal is half done then.
const COUNTED: &str = r#"#!/bin/sh
read -r count <"$BENCH/count"
read -r cut <"$BENCH/cut"
echo $((count + 1)) >"$BENCH/count"
if [ $((count + 1)) -eq "$cut" ]; then
  for last; do :; done
  if [ "${0##*/}" = rm ]; then find "$last" -type f 2>/dev/null | head -n 1 | xargs -r /bin/rm; fi
  kill -9 0
fi
[ "${0##*/}" = sync ] || exec "/bin/${0##*/}" "$@"
"#;
const DOCKER: &str = r#"#!/bin/sh
echo "$*" >>"$BENCH/docker.log"
[ ! -e "$BENCH/ill" ] || case $* in *RestartCount*) echo 3; exit ;; inspect*) echo restarting; exit ;; esac
case $* in *RestartCount*) echo 0 ;; inspect*) echo running healthy ;; *' ps '*) echo 1 ;; esac
"#;

/// A host with a database, the scripts, and what they call.
pub struct Bench {
    pub folder: TempDir,
    /// Where the database is.
    pub data: PathBuf,
}

impl Bench {
    pub fn new((driver, data): (&str, &str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { data: folder.path().join("root").join(data), folder };
        fs::create_dir_all(bench.path("tools")).unwrap();
        for entry in fs::read_dir(TOOLS).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap();
            let root = bench.path("root").display().to_string();
            let text = text.replace("root=/opt/torrust", &format!("root={root}"));
            let text =
                text.replace("mktemp -p /run", &format!("mktemp -p {}", bench.folder.path().display()));
            fs::write(bench.path("tools").join(entry.file_name()), text).unwrap();
        }
        bench.write(
            "tools/settings",
            &format!("environment=demo\ndriver={driver}\ndata={data}\nowner=0\ndatabase=x\n"),
        );
        bench.write("root/releases/current", "");
        for name in ["mv", "rm", "sync"] {
            bench.program(name, COUNTED);
        }
        bench.program("docker", DOCKER);
        bench.program("systemctl", "#!/bin/sh\necho inactive; exit 3\n");
        bench
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = format!("bin/{name}");
        self.write(&path, text);
        fs::set_permissions(self.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn state(&self, name: &str, text: &str) {
        self.write(&format!("root/storage/backup/.restore/{name}"), text);
    }

    /// A database at the usual place, or one with that ending: a file with a log, or a folder of files.
    pub fn database(&self, ending: &str, what: &str) {
        let path = PathBuf::from(format!("{}{ending}", self.data.display()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if self.data.ends_with("data") {
            fs::create_dir(&path).unwrap();
            for name in ["a", "b", "c"] {
                fs::write(path.join(name), what).unwrap();
            }
        } else {
            fs::write(&path, what).unwrap();
            fs::write(format!("{}-journal", path.display()), what).unwrap();
        }
    }

    /// All files around the database, with what is in them.
    fn databases(&self) -> Vec<String> {
        let script = "cd \"$1\" && find . -type f ! -name '*.restored*' -exec grep -H . {} + | sort";
        let beside = self.data.parent().unwrap();
        let ran = Command::new("bash").args(["-c", script, "-"]).arg(beside).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// One that was cut off when the new database had got its place.
    fn placed(&self, verdict: Option<&str>) {
        self.state("id", ID);
        self.state("log", "safety 20260201T000000Z-1\n");
        for (name, text) in [("step", "placed"), ("placed", ""), ("ran", "")] {
            self.state(name, text);
        }
        if let Some(verdict) = verdict {
            self.state("verdict", verdict);
        }
        self.write("root/.half-restored", ID);
        self.database("", "new");
        self.database(".before-restore", "old");
    }

    /// Calls a script; the power goes at this counted call. Nothing for its end where it went.
    pub fn call(&self, args: &[&str], cut: usize, input: Stdio) -> (Option<bool>, String) {
        self.write("cut", &cut.to_string());
        let ran = self.command(args).stdin(input).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8_lossy(&ran.stderr);
        (ran.status.code().map(|code| code == 0), said)
    }

    /// A script's call, not begun yet.
    pub fn command(&self, args: &[&str]) -> Command {
        self.write("count", "0");
        let mut bash = Command::new("bash");
        bash.arg(self.path("tools").join(args[0])).args(&args[1..]).process_group(0);
        bash.env("BENCH", self.folder.path());
        // A host's own programs: those of another folder may be closed to the database's owner.
        let path = std::env::var("PATH").unwrap();
        bash.env("PATH", format!("{}:/usr/bin:/bin:{path}", self.path("bin").display()));
        bash
    }

    fn settle(&self) -> String {
        let (good, said) = self.call(&["restore.sh", "settle"], 0, Stdio::null());
        assert_eq!(good, Some(true), "{said}");
        said
    }
}

/// Wherever the power goes, the database that remains is the one that is told, all of it, and it alone; gives all that was
/// told. An `ill` stack has recovered by the next call.
fn cut_everywhere(kind: (&str, &str), verdict: Option<&str>, ill: bool) -> String {
    let whole = ["old", "new"].map(|what| {
        let whole = Bench::new(kind);
        whole.database("", what);
        whole.databases()
    });
    let mut told = String::new();
    for cut in 1.. {
        let bench = Bench::new(kind);
        bench.placed(verdict);
        if ill {
            bench.write("ill", "");
        }
        let (over, mut said) = bench.call(&["restore.sh", "settle"], cut, Stdio::null());
        let _ = fs::remove_file(bench.path("ill"));
        said += &bench.settle();
        let undone = said.contains(&format!(" {ID} undone"));
        assert!(undone || said.contains(&format!(" {ID} kept")), "cut at {cut}: {said}");
        assert_eq!(bench.databases(), whole[usize::from(!undone)], "cut at {cut}: {said}");
        assert!(!bench.path("root/.half-restored").exists(), "cut at {cut}");
        told += &said;
        if over.is_some() {
            assert!(cut > 10, "hardly anything was counted");
            break;
        }
    }
    told
}

#[test]
fn what_is_undone_is_never_taken_for_a_success() {
    for kind in [SQLITE, MYSQL, POSTGRESQL] {
        let told = cut_everywhere(kind, Some("undo the checks fail"), false);
        assert!(!told.contains("kept"), "{told}");
        // Until it is said that it is undone, a stack that has recovered keeps the new one.
        let told = cut_everywhere(kind, None, true);
        assert!(told.contains("undone") && told.contains("kept"), "{told}");
    }
}

#[test]
fn what_is_kept_is_never_undone_with_half_of_the_old_database() {
    for kind in [SQLITE, MYSQL, POSTGRESQL] {
        let told = cut_everywhere(kind, None, false);
        assert!(!told.contains("undone"), "{told}");
    }
}

#[test]
fn before_the_tracker_was_stopped_nothing_is_started() {
    let bench = Bench::new(SQLITE);
    bench.state("id", ID);
    bench.state("log", "");
    bench.state("step", "building");
    bench.state("ran", "");
    bench.database("", "old");
    assert!(bench.settle().contains("failed it was cut off"));
    let asked = fs::read_to_string(bench.path("docker.log")).unwrap();
    assert!(!asked.contains("compose"), "{asked}");
}

#[test]
fn half_a_database_is_not_copied() {
    let bench = Bench::new(SQLITE);
    bench.write("root/.half-restored", ID);
    bench.database("", "half");
    for how in [&["backup.sh", "create"][..], &["backup.sh", "create", "last"]] {
        let (good, said) = bench.call(how, 0, Stdio::null());
        assert!(good == Some(false) && said.contains(&format!("refused half {ID}")), "{said}");
    }
    assert!(!bench.path("docker.log").exists(), "the tracker was not stopped for it");
}

#[test]
fn an_archive_of_somebody_else_is_not_believed() {
    let bench = Bench::new(SQLITE);
    let about = |bytes: &str, path: &str| {
        format!(
            "format=1\nenvironment=other\nid={ID}\nrelease=1\ndriver=sqlite3\npath={path}\nbytes={bytes}\nrows=keys 1\n"
        )
    };
    let mark = bench.path("mark");
    let evil = format!("a[$(touch {})]", mark.display());
    let receive = |about: &str| {
        bench.write("in/about", about);
        let pack = "tar -czf ../in.tar.gz about && sha256sum <../in.tar.gz | cut -c 1-64";
        let packed = Command::new("bash").args(["-c", pack]).current_dir(bench.path("in")).output().unwrap();
        let sum = String::from_utf8(packed.stdout).unwrap().trim().to_owned();
        let archive = fs::File::open(bench.path("in.tar.gz")).unwrap();
        (bench.call(&["restore.sh", "receive", "1", &sum], 0, archive.into()), sum)
    };
    for about in [about(&evil, SQLITE.1), about("010", SQLITE.1), about("10", "--to-command=reboot")] {
        let ((good, said), _) = receive(&about);
        assert!(good == Some(false) && said.contains("refused invalid"), "{said}");
    }
    assert!(!mark.exists());

    // Two hosts may make a backup at the same moment.
    bench.write(&format!("root/storage/backup/{ID}.tar.gz"), "this host's own");
    let ((good, said), sum) = receive(&about("10", SQLITE.1));
    assert!(good == Some(true) && said.contains(&format!("received {ID}-{}", &sum[..12])), "{said}");
}

#[test]
fn rows_are_counted_whatever_the_database_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE keys (a)')";
    for name in ["tracker.db", "dump.sql", "it's #1?.db", "100%41.db"] {
        let path = folder.path().join(name);
        assert!(Command::new("python3").args(["-c", script]).arg(&path).status().unwrap().success());
        let rows = Command::new("python3").args([&format!("{TOOLS}/rows.py"), "--check"]).arg(&path).output();
        assert_eq!(String::from_utf8(rows.unwrap().stdout).unwrap(), "rows keys 0\n", "{name}");
    }
}

#[test]
fn rows_of_a_postgresql_dump_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgresql/dump.sql");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let dump = concat!(
        "\\restrict x\nCREATE TABLE public.keys (\n    key text\n);\n\n",
        "COPY public.torrents (id, info_hash) FROM stdin;\n1\ta'\\\\.\n2\tCOPY public.keys (key) FROM stdin;\n\\.\n\n",
        "COPY public.keys (key) FROM stdin;\n\\.\n\nCOPY other.\"a (\"\"b. c\" (x) FROM stdin;\n--\n\\.\n\n",
        "COPY public._sqlx_migrations (version) FROM stdin;\n\n\\.\n",
        "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n"
    );
    fs::write(&path, dump).unwrap();
    let rows = Command::new("python3").arg(format!("{TOOLS}/rows.py")).arg(&path).output().unwrap();
    assert_eq!(
        String::from_utf8(rows.stdout).unwrap(),
        "rows _sqlx_migrations 1\nrows keys 0\nrows other.\"a (\"\"b. c\" 1\nrows torrents 2\n"
    );
}

#[test]
fn two_who_look_at_once_do_not_take_each_other_for_a_backup() {
    let bench = Bench::new(SQLITE);
    bench.program("systemctl", "#!/bin/sh\n[ \"$1\" != show ] || echo success\n");
    bench.write("root/storage/backup/unfinished", "the disk is full");
    let check = fs::read_to_string(bench.path("tools/check.sh")).unwrap();
    let root = bench.path("root").display().to_string();
    bench.write("tools/check.sh", &check.replace("/opt/torrust", &root));
    let mut other = Command::new("flock")
        .args(["--shared", "--no-fork"])
        .arg(bench.path("root/storage/backup/.lock"))
        .args(["sh", "-c", "echo held; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let (good, said) = bench.call(&["check.sh"], 0, Stdio::null());
    other.kill().and_then(|()| other.wait()).unwrap();
    assert!(good == Some(false) && said.contains("the last one failed: the disk is full"), "{said}");
}

/// A connection that breaks ends no backup for which nothing is stopped.
#[test]
fn a_backup_of_which_nobody_hears_is_made_all_the_same() {
    let bench = Bench::new(SQLITE);
    bench.write("cut", "0");
    bench.database("", "");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE keys (a)')";
    let made = Command::new("python3").args(["-c", script]).arg(&bench.data).status().unwrap();
    assert!(made.success());
    fs::remove_file(bench.path("root/releases/current")).unwrap();
    symlink("1", bench.path("root/releases/current")).unwrap();
    bench.write("root/releases/1/manifest", "sum 0644 0 docker-compose.yml\n");
    bench.write("root/docker-compose.yml", "services: {}\n");
    let mut backup = bench.command(&["backup.sh", "create"]);
    let mut backup = backup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((backup.stdout.take(), backup.stderr.take()));
    let ended = backup.wait().unwrap();
    let unfinished = fs::read_to_string(bench.path("root/storage/backup/unfinished"));
    assert!(ended.success(), "{unfinished:?}");
    let (good, said) = bench.call(&["list.sh", "check"], 0, Stdio::null());
    assert!(good == Some(true) && said.trim_end().ends_with(" ok"), "{said}");
}

/// Where the last backup fails, and where nobody hears of it any more, the tracker does not stay stopped.
#[test]
fn the_last_backup_that_comes_to_nothing_starts_the_tracker_again() {
    for gone in [false, true] {
        let bench = Bench::new(SQLITE);
        bench.write("cut", "0");
        bench.database("", "a database");
        bench.program(
            "docker",
            &format!("{DOCKER}\ncase $* in *stop*) echo 'Container x Stopping' >&2; sleep 0.3 ;; esac"),
        );
        let mut backup = bench.command(&["backup.sh", "create", "last"]);
        let mut backup = backup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if gone {
            let mut word = [0; 5];
            backup.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
            drop((backup.stdout.take(), backup.stderr.take()));
        }
        let ended = backup.wait_with_output().unwrap();
        assert!(!ended.status.success());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!said.contains("failed: Container"), "{said}");
        let calls = fs::read_to_string(bench.path("docker.log")).unwrap();
        assert!(calls.trim_end().ends_with(" start tracker"), "gone: {gone}\n{calls}");
    }
}
