//! The operators' pages in `docs/`: their console blocks are run, each page on a host as it takes for granted.
//!
//! A block's lines must be what is printed, figures aside; `...` stands for any lines. `PAGES=overwrite` writes what is
//! really printed into the page: read the difference.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::{hetzner, lab, lxd};

/// A page on its ground.
struct Page<'d> {
    name: &'d str,
    desk: &'d Desk,
    /// What the page calls something, and what it is called here.
    names: Vec<(&'static str, String)>,
}

impl Page<'_> {
    fn here(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }

    fn shown(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(real, shown))
    }

    /// What a user sees of one line typed into a shell, both streams.
    fn type_in(&self, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_torrust-tracker-deployer")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {}", self.here(line))]).current_dir(self.desk.path("."));
        shell.env("PATH", format!("{}:{}", program.display(), lab::path())).env("NO_COLOR", "1");
        shell.envs(self.desk.variables.iter().map(|(name, value)| (name, value)));
        let ran = shell.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        let mut text = self.shown(text.trim_end());
        if let Some(code @ 1..) = ran.status.code() {
            let _ = write!(text, "\n(exit code {code})");
        }
        text.trim_start_matches('\n').to_owned()
    }

    /// Runs the page's blocks, and gives the page as it should read.
    fn run(&self) -> String {
        let path = lab::project().join("docs").join(self.name);
        let page = fs::read_to_string(&path).unwrap();
        let mut written = String::new();
        let (mut blocks, mut wrong) = (0, vec![]);
        for (number, part) in page.split("```").enumerate() {
            let Some(block) = part.strip_prefix("console\n").filter(|_| number % 2 == 1) else {
                written += if number == 0 { "" } else { "```" };
                written += part;
                continue;
            };
            blocks += 1;
            written += "```console\n";
            for typed in format!("\n{block}").split("\n$ ").skip(1) {
                let (line, told) = typed.split_once('\n').unwrap_or((typed, ""));
                let seen = self.type_in(line);
                let told = told.trim_end();
                let same = alike(told, &seen);
                if !same {
                    wrong.push(format!("$ {line}\n--- the page says\n{told}\n--- seen\n{seen}"));
                }
                let _ = writeln!(written, "$ {line}\n{}", if same { told } else { &seen });
            }
        }
        if std::env::var("PAGES").is_ok_and(|wish| wish == "overwrite") {
            fs::write(path, &written).unwrap();
        } else {
            assert!(wrong.is_empty(), "{}:\n{}", self.name, wrong.join("\n"));
        }
        assert!(blocks > 0, "{} has no console block", self.name);
        written
    }
}

/// A line without its figures, and without what tells only that somebody waits.
fn plain(text: &str) -> Vec<String> {
    let hex = Regex::new(r"SHA256:\S+|\b[0-9a-f]{12,}\b|\b[0-9a-f]*:[0-9a-f:]{2,}\b").unwrap();
    let figures = Regex::new(r"\d[\d.,:]*( [KMG]iB)?").unwrap();
    let since = Regex::new(r"just now|\d+ [a-z]+s? ago|(up|for) \d+ [a-z]+").unwrap();
    let blanks = Regex::new(r"\s+").unwrap();
    let plain = |line: &str| {
        let line = since.replace_all(line, "#");
        let line = hex.replace_all(&line, "#");
        // A second address may come too late to be told.
        blanks.replace_all(&figures.replace_all(&line, "#"), " ").trim().replace("# and #", "#")
    };
    text.lines().filter(|line| !line.contains(" still at work after ")).map(plain).collect()
}

/// Whether what was seen reads as told.
fn alike(told: &str, seen: &str) -> bool {
    fits(&plain(told), &plain(seen))
}

fn fits(told: &[String], seen: &[String]) -> bool {
    match told.split_first() {
        None => seen.is_empty(),
        Some((any, rest)) if any == "..." => (0..=seen.len()).any(|skipped| fits(rest, &seen[skipped..])),
        Some((line, rest)) => {
            seen.split_first().is_some_and(|(first, seen)| first == line && fits(rest, seen))
        }
    }
}

/// A configuration whose API is for the host alone, as that of `create template`.
fn with_private_api(mut config: Value) -> Value {
    config["tracker"]["http_api"]["bind_address"] = "127.0.0.1:1212".into();
    config
}

/// A page whose environment is called `my-tracker`, with this description of it in `my-tracker.json`.
fn page<'d>(name: &'d str, desk: &'d Desk, config: &Value) -> Page<'d> {
    desk.write(&format!("{}.json", desk.name), &format!("{config:#}"));
    Page { name, desk, names: vec![("my-tracker", desk.name.clone())] }
}

#[test]
fn own_server() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut page = page("own-server.md", &desk, &with_private_api(desk.config()));
    page.names.push(("203.0.113.7", host.address.clone()));
    page.run();
}

/// The pages about a tracker that runs already, one after another on one host: each has in its file what it changes.
#[test]
fn a_tracker_that_runs() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut config = with_private_api(desk.config());
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    let mut run = |name, change: fn(&mut Value)| {
        change(&mut config);
        let mut page = page(name, &desk, &config);
        page.names.push(("203.0.113.7", host.address.clone()));
        page.run();
    };
    run("monitoring.md", |_| {});
    run("backup.md", |_| {});
    run("upgrade.md", |config| {
        config["tracker"]["http_api"]["admin_token"] = "another-token-with-24-chars".into();
    });
    run("https.md", |config| {
        config["images"]["caddy"] = lab::CADDY.into();
        config["https"] = json!({ "admin_email": "you@example.org", "ca": "internal" });
        for (service, domain) in
            [("/http_trackers/0", "tracker.example.org"), ("/http_api", "api.example.org")]
        {
            let service = config["tracker"].pointer_mut(service).unwrap();
            service["domain"] = domain.into();
            service["use_tls_proxy"] = true.into();
            service["bind_address"] =
                if domain.starts_with("api") { "0.0.0.0:1212" } else { "0.0.0.0:7070" }.into();
        }
    });
}

#[test]
fn lxd() {
    let desk = lxd::desk();
    page("lxd.md", &desk, &with_private_api(lxd::config(&desk))).run();
}

#[test]
fn hetzner() {
    let (desk, _hetzner) = hetzner::desk(hetzner::Servers::Real);
    page("hetzner.md", &desk, &with_private_api(hetzner::config(&desk))).run();
}

#[test]
fn lines_are_alike_but_for_their_figures() {
    let told = "✓ [1/2] Look (0.1 s): at 203.0.113.7\n...\nlast";
    assert!(alike(told, "✓ [1/2] Look (12.7 s): at 198.18.4.2\nmore\nand more\nlast"));
    assert!(alike(told, "✓ [1/2] Look (12.7 s): at 198.18.4.2\nlast"));
    assert!(!alike(told, "✗ [1/2] Look (12.7 s): at 198.18.4.2\nlast"));
    assert!(!alike(told, "✓ [1/2] Look (12.7 s): at 198.18.4.2\nlast\none more"));
}
