//! Files that are not what they should be: keys, and the configuration file itself.

use super::*;

/// What is wrong with a configuration that names these two files.
fn problems_in(folder: &Path, private: &str, public: &str) -> String {
    let mut document = valid("minimal.json");
    document["ssh_credentials"] = json!({"private_key_path": private, "public_key_path": public});
    let text = document.to_string();
    let parsed = Document::parse(&text).unwrap_or_else(|problem| panic!("{problem:?}"));
    let problems = examine(&parsed, schema(), folder).1;
    let told = |problem: &Problem| [&problem.what, "; ", problem.fix.as_deref().unwrap()].concat();
    problems.iter().map(told).collect()
}

#[test]
fn key_files() {
    let folder = folder();
    let problems_with = |private: &str, public: &str| problems_in(folder.path(), private, public);
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("open", "-----BEGIN RSA PRIVATE KEY-----\n", 0o644);
    write("putty", "PuTTY-User-Key-File-3: ssh-ed25519\n", 0o600);
    write("two.pub", "ssh-rsa AAAA x\nssh-rsa AAAA y\n", 0o644);
    let (private, public) = ("id_ed25519", "id_ed25519.pub");
    assert_eq!(problems_with(private, public), "");
    let cases = [
        (
            problems_with("none", public),
            "no such file or directory; correct the path, or make a key: ssh-keygen -t ed25519 -f none",
        ),
        (problems_with("open", public), "chmod 600 open"),
        (problems_with("putty", public), "puttygen"),
        (problems_with(public, public), "this is a public key"),
        (problems_with("root.pem", public), "no private SSH key"),
        (problems_with(".", public), "it is no regular file"),
        (problems_with(private, "none.pub"), "ssh-keygen -y -f id_ed25519 > none.pub"),
        (problems_with(private, private), "no public SSH key of one line"),
        (problems_with(private, "two.pub"), "no public SSH key of one line"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}\n{expected}");
    }
}

#[test]
fn keys_that_ssh_cannot_read_and_those_that_are_no_pair() {
    let folder = folder();
    let make = |name: &str, options: &[&str]| {
        let path = folder.path().join(name);
        let args = [&["-q", "-t", "ed25519", "-f", path.to_str().unwrap()], options].concat();
        assert!(std::process::Command::new("ssh-keygen").args(args).status().unwrap().success());
        fs::read_to_string(path).unwrap()
    };
    let text = make("plain", &["-N", ""]);
    make("locked", &["-N", "a passphrase"]);
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("windows", &text.replace('\n', "\r\n"));
    write("open-end", text.trim_end());
    write("cut", &text[..text.len() / 2]);
    let public = fs::read_to_string(folder.path().join("plain.pub")).unwrap();
    write("windows.pub", &public.replace('\n', "\r\n"));
    let said = |private: &str, public: &str| problems_in(folder.path(), private, public);
    for (private, public) in [("plain", "plain.pub"), ("plain", "windows.pub"), ("locked", "locked.pub")] {
        assert_eq!(said(private, public), "", "{private} {public}");
    }
    for (private, public, expected) in [
        ("windows", "plain.pub", "`windows` end as on Windows (CRLF)"),
        ("open-end", "plain.pub", "has no line end; ssh cannot read such a key; echo >> open-end"),
        ("cut", "plain.pub", "`cut` is cut off"),
        ("plain", "locked.pub", "`locked.pub` is not the public key of `plain`"),
        ("locked", "plain.pub", "ssh-keygen -y -f locked > plain.pub"),
        ("plain.pub", "plain.pub", "only an SSH agent holds does not work"),
    ] {
        let said = said(private, public);
        assert!(said.contains(expected), "{said}\n{expected}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let folder = folder();
    let refused = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let error = load(&path, Style::default()).unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
        format!("{} {} {}", error.message(), error.causes().join(" "), error.helps().join(" "))
    };
    assert!(refused("none.json", None).contains("create template"));
    assert!(refused("", None).contains("this is a folder"));
    assert!(refused("latin1.json", Some(b"{\n\"\xfc\": 1}")).contains("line 2 is not UTF-8"));
    assert!(refused("utf16.json", Some(b"\xff\xfe{\0")).contains("line 1 is not UTF-8"));
}

#[test]
fn a_mark_before_the_text_is_no_problem() {
    let text = format!("\u{feff}{}", valid("minimal.json"));
    assert!(parse(&text, "x.json", folder().path()).is_ok());
}

#[test]
fn what_only_a_strict_reader_refuses() {
    let text = serde_json::to_string_pretty(&valid("older-core.json")).unwrap();
    let cases = [("\"port\": 22", "\"port\": 022"), ("\"tracker.db\"", "\"tracker\u{1}.db\"")];
    for (good, bad) in cases {
        let error = parse(&text.replace(good, bad), "x.json", folder().path()).unwrap_err();
        assert!(error.drawing().contains("×"), "{bad}: {}", error.drawing());
    }
}
