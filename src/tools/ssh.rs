//! OpenSSH: one connection per command, shared by everything that the command does on the host.
//!
//! The first call opens a master connection (`ControlMaster`); commands, tar streams and Ansible then travel
//! over its socket. A broken first call is told apart by what `ssh` says: see `refusal`.

mod host_key;
mod refusal;
mod sudo;

use std::io::IsTerminal;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::hex;
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::probe::random;
use crate::process::{Cmd, Ran, Runner};
pub use host_key::{Pin, fingerprint, shown as shown_host_key};
pub use refusal::silent_session;
use sudo::as_root;

/// What of the user's `~/.ssh/config` does not hold in our sessions. What helps to reach the host stays: `ProxyJump`,
/// `ProxyCommand`, `HostName`, addresses and ciphers; `User` and `Port` are ours.
pub const OVERRIDES: &[&str] = &[
    // The host gets neither the user's agent nor a way into this machine.
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    // Nothing is run here, and on the host only what we ask for.
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "SessionType=default",
    "StdinNull=no",
    "ForkAfterAuthentication=no",
    // An earlier `-t` holds against it.
    "RequestTTY=no",
    // The stored key is the authority for who the host is.
    "NoHostAuthenticationForLocalhost=no",
    "VerifyHostKeyDNS=no",
    "KnownHostsCommand=none",
    "HashKnownHosts=no",
    "CheckHostIP=no",
    // We log in by key, and ask nobody.
    "PubkeyAuthentication=yes",
    "PreferredAuthentications=publickey",
    "AddKeysToAgent=no",
    "ConnectionAttempts=1",
    // What ssh says is for us to read.
    "VisualHostKey=no",
    "FingerprintHash=sha256",
];

/// How long the host may take for one answer; the longest is an installation that waits for apt.
const ANSWER: Duration = Duration::from_mins(15);
/// How long a host may take to accept a connection, in seconds.
const CONNECT_SECONDS: u32 = 10;

/// A host and everything that `ssh` needs to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The environment's name, for help texts.
    pub environment: String,
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User, who is root or may become root by `sudo -n`.
    pub user: String,
    /// Private key.
    pub key: PathBuf,
    /// The environment's own known-hosts file, written from `pin` at each use.
    pub known_hosts: PathBuf,
    /// The host key of the first contact.
    pub pin: Pin,
    /// The master connection's socket.
    pub control: PathBuf,
}

impl Target {
    /// The options that every call needs, whichever program makes it.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let options = [
            "BatchMode=yes".into(),
            format!("ConnectTimeout={CONNECT_SECONDS}"),
            "IdentitiesOnly=yes".into(),
            "ServerAliveInterval=10".into(),
            "ServerAliveCountMax=3".into(),
            // A known host must not come with a key of another type either, which accept-new would take.
            format!("StrictHostKeyChecking={}", if self.pin.key.is_empty() { "accept-new" } else { "yes" }),
            // The key belongs to the environment's host, whatever address it has today.
            format!("HostKeyAlias={}", self.environment),
            format!("UserKnownHostsFile={}", quoted(&self.known_hosts)),
            "GlobalKnownHostsFile=/dev/null".into(),
            "UpdateHostKeys=no".into(),
            "LogLevel=ERROR".into(),
            format!("ControlPath={}", quoted(&self.control)),
        ];
        let options = options.into_iter().chain(OVERRIDES.iter().map(|&option| option.into()));
        let mut args: Vec<String> = options.flat_map(|option| ["-o".into(), option]).collect();
        args.extend(["-i".into(), self.key.display().to_string(), "-p".into(), self.port.to_string()]);
        args
    }

    /// `ssh` with `extra` options, the destination, and what to do there.
    fn ssh(&self, extra: &[&str], remote: &str) -> Cmd {
        let mut args = self.options();
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        args.extend(["-l".into(), self.user.clone(), "--".into(), self.host.clone()]);
        if !remote.is_empty() {
            args.push(remote.into());
        }
        Cmd::new("ssh", args)
    }

    /// What a person types to get a shell.
    #[must_use]
    pub fn shown(&self) -> String {
        let port = if self.port == 22 { String::new() } else { format!(" -p {}", self.port) };
        format!("ssh -i {}{port} {}", shown_path(&self.key), self.destination())
    }

    /// The user and the host as a word for a shell: a user's name may end in `$`.
    fn destination(&self) -> String {
        shown_path(Path::new(&format!("{}@{}", self.user, self.host)))
    }
}

/// A path as `ssh` wants it in an option: a space would end it, a `%` would begin a token.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

/// An open connection; closed when dropped.
pub struct Ssh<'a> {
    /// Where it leads.
    pub target: Target,
    runner: Runner<'a>,
}

impl<'a> Ssh<'a> {
    /// Opens the connection. At first contact the host's key is stored, later it must be the same.
    ///
    /// # Errors
    /// `ssh_unreachable`, `ssh_auth`, `host_key_changed`, each with what to do.
    pub fn connect(runner: Runner<'a>, mut target: Target) -> Result<Self> {
        make_private_folder(&target.control)?;
        target.pin_host_key()?;
        let mut master = target
            .ssh(&["-f", "-o", "ControlMaster=yes", "-o", "ControlPersist=60"], "")
            .deadline(connect_deadline());
        // Of each option ssh takes the first.
        // What the host says before it refuses, and whether it took the key, is shown at this level only.
        master.args.splice(0..0, ["-o", "SessionType=none", "-o", "LogLevel=VERBOSE"].map(Into::into));
        let ran = runner.run(&master).map_err(|error| match error.code() {
            Code::TimedOut => refusal::explain(&target, "Connection timed out"),
            _ => error,
        })?;
        // Closed again when it must not be used.
        let mut opened = ran.ok().then(|| Self { target: target.clone(), runner });
        target.check_host_key()?;
        if let Some(ssh) = &mut opened {
            ssh.target.pin = target.pin.clone();
        }
        opened.ok_or_else(|| refusal::explain(&target, &ran.stderr))
    }

    /// A command on the host, as root.
    #[must_use]
    pub fn root(&self, script: &str, args: &[&str]) -> Cmd {
        self.target.ssh(&["-o", "ControlMaster=no", "-T"], &as_root(script, args))
    }

    /// Runs a script on the host as root, to its end.
    ///
    /// # Errors
    /// The connection broke, sudo refused, or the user interrupted. The script's own exit code is the caller's.
    pub fn run_root(&self, script: &str, args: &[&str]) -> Result<Ran> {
        let ran = self.runner.run(&self.root(script, args).deadline(ANSWER))?;
        self.judge(ran)
    }

    /// A shell for the user, or a command as the host's user, with our own streams; gives its exit code.
    ///
    /// # Errors
    /// `ssh_lost`.
    pub fn attach(&self, command: &[String]) -> Result<u8> {
        let terminal = std::io::stdin().is_terminal()
            && std::io::stdout().is_terminal()
            && std::io::stderr().is_terminal();
        let extra = ["-o", "ControlMaster=no", if terminal { "-t" } else { "-T" }];
        let code = self.runner.attach(&self.target.ssh(&extra, &remote_line(command)))?;
        if self.runner.interrupt.wanted() {
            return Ok(Code::Interrupted.exit_code());
        }
        // 255 is what ssh itself ends with, too: the connection tells whose it is.
        if code == 255 && !self.runner.run(&self.target.ssh(&["-O", "check"], ""))?.ok() {
            return Err(self
                .lost("")
                .help("what ran there may have ended or not: have a look, then repeat the command"));
        }
        Ok(u8::try_from(code).unwrap_or(u8::MAX))
    }

    fn lost(&self, said: &str) -> Error {
        Error::new(Code::SshLost, format!("the connection to {} broke", self.target.host)).why(said)
    }

    /// Tells a broken connection, a refused session and a refusing sudo apart from a script that failed.
    ///
    /// # Errors
    /// `ssh_lost`, `ssh_auth`, `sudo_refused`.
    pub fn judge(&self, ran: Ran) -> Result<Ran> {
        // A client that a signal ended told nothing of what it ran; one over there gives the client's own 255.
        if ran.code == 255 || ran.by_signal {
            return self.broken_or(ran);
        }
        if let Some(error) = refusal::of_session(&self.target, &ran) {
            return Err(error);
        }
        if sudo::refuses(&ran) {
            return Err(sudo::refused(&self.target, &ran));
        }
        Ok(ran)
    }

    /// 255 is also what a script may end with: the connection tells whose it is.
    fn broken_or(&self, ran: Ran) -> Result<Ran> {
        const REFUSALS: [&str; 3] =
            ["Session open refused by peer", "open failed: administratively", "session open failed"];
        if REFUSALS.iter().any(|words| ran.stderr.contains(words)) {
            return Err(Error::new(
                Code::SshUnreachable,
                format!("sshd on {} accepts the connection and refuses sessions in it", self.target.host),
            )
            .why(&ran.stderr)
            .help("its setting MaxSessions is too low, see: sudo sshd -T | grep -i maxsessions")
            .help(
                "on the host set MaxSessions 10 in /etc/ssh/sshd_config, then: sudo systemctl reload ssh",
            ));
        }
        if !ran.by_signal && self.runner.run(&self.target.ssh(&["-O", "check"], ""))?.ok() {
            return Ok(ran);
        }
        Err(self.lost(&ran.stderr).help("repeat the command: it goes on from here"))
    }

    /// The one who runs things over this connection.
    #[must_use]
    pub fn runner(&self) -> Runner<'a> {
        self.runner
    }
}

impl Drop for Ssh<'_> {
    fn drop(&mut self) {
        // Straight to the system: after Ctrl-C the runner would refuse to start anything.
        let close = self.target.ssh(&["-O", "exit"], "");
        let mut command = std::process::Command::new(&close.program);
        command.args(&close.args).stdin(std::process::Stdio::null());
        let _ = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    }
}

/// The socket's folder lies in a place that others may write to: it must be ours, and closed to them.
fn make_private_folder(control: &Path) -> Result<()> {
    let folder = control.parent().unwrap_or(Path::new("/"));
    let refused = |why: String| {
        Error::new(
            Code::StorageFailed,
            format!("cannot use {} for the SSH connection's socket", folder.display()),
        )
        .why(why)
        .help(format!("remove it: rm -r {}", shown_path(folder)))
        .help("or name a folder of your own for sockets: export XDG_RUNTIME_DIR=\"$(mktemp -d)\"")
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| refused(error.to_string()))?;
    let metadata = std::fs::symlink_metadata(folder).map_err(|error| refused(error.to_string()))?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::getuid().as_raw();
    let closed = metadata.mode().trailing_zeros() >= 6;
    if ours && closed { Ok(()) } else { Err(refused("it is another user's, or others can enter it".into())) }
}

/// How long the first call may take.
fn connect_deadline() -> Duration {
    Duration::from_secs(u64::from(CONNECT_SECONDS) * 2)
}

/// Makes an ed25519 key pair without a passphrase.
///
/// # Errors
/// `ssh-keygen` is missing or failed.
pub fn make_key(runner: Runner, private: &Path, comment: &str) -> Result<()> {
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"].map(Into::into);
    let ran =
        runner.run(&Cmd::new("ssh-keygen", args.into_iter().chain([private.as_os_str().to_owned()])))?;
    if ran.ok() {
        return Ok(());
    }
    Err(Error::new(Code::ToolFailed, format!("ssh-keygen could not make {}", private.display()))
        .why(ran.complaint()))
}

/// A word that nothing on the host knows before we send it: what follows it is an answer to us.
#[must_use]
pub fn random_mark() -> String {
    format!("answer-{}", hex(&random::<12>()))
}

/// A word for the host's shell, whatever it contains.
#[must_use]
pub fn sh_quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What the host's shell gets: a single word is a line for it, several are a program and its arguments as they are.
fn remote_line(command: &[String]) -> String {
    match command {
        [line] => line.clone(),
        words => words.iter().map(|word| sh_quote(word)).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
impl Target {
    /// One that leads nowhere.
    fn for_tests() -> Self {
        Self {
            environment: "demo".into(),
            host: "192.0.2.7".into(),
            port: 22,
            user: "torrust".into(),
            key: "/k".into(),
            known_hosts: "/nowhere/known_hosts".into(),
            pin: Pin::default(),
            control: "/nowhere/control".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_as_they_are_and_a_single_one_is_a_line() {
        let line = |words: &[&str]| remote_line(&words.iter().map(|&word| word.into()).collect::<Vec<_>>());
        assert_eq!(line(&["echo", "a  b", "it's", "$HOME", ""]), r"'echo' 'a  b' 'it'\''s' '$HOME' ''");
        assert_eq!(line(&["cd /opt && ls"]), "cd /opt && ls");
        assert_eq!(line(&[]), "");
    }
}
