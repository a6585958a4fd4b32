//! What every command needs: the mouth, Ctrl-C, the store, and the way to a host.

use std::path::{Path, PathBuf};

use crate::cli::Global;
use crate::config::{self, Config, EnvironmentName, Loaded, Secret};
use crate::digest::sha256;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::output::Out;
use crate::output::log::Log;
use crate::process::Runner;
use crate::store::{Environment, Host, Store};
use crate::tools::ssh::{Pin, Target};

/// The host key of the first contact, in the environment's folder.
const KNOWN_HOSTS: &str = "known_hosts";
const LOG_FILE: &str = "deployer.log";

/// The program's surroundings.
pub struct App {
    /// The only mouth.
    pub out: Out,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    /// `data/`.
    pub store: Store,
    log: Log,
    global: Global,
}

impl App {
    /// The surroundings that the global options ask for.
    ///
    /// # Errors
    /// When signals cannot be listened to, or nothing can be written to `--log-dir`.
    pub fn new(global: Global) -> Result<Self> {
        let out = Out::new(global.style());
        let store = Store::new(global.working_dir.join("data"));
        let log = Log::begin(&out, global.log_style());
        if let Some(folder) = &global.log_dir {
            log.write_to(&folder.join(LOG_FILE))?;
        }
        Ok(Self { out, interrupt: Interrupt::listen()?, store, log, global })
    }

    /// Runs programs.
    #[must_use]
    pub fn runner(&self) -> Runner<'_> {
        Runner { out: &self.out, interrupt: &self.interrupt }
    }

    /// Where rendered files of an environment lie: `build/<env>/`.
    #[must_use]
    pub fn build_folder(&self, name: &EnvironmentName) -> PathBuf {
        self.global.working_dir.join("build").join(name.as_str())
    }

    /// The one environment that this process is for, when another one of this program works on several.
    #[must_use]
    pub fn only(&self) -> Option<&EnvironmentName> {
        self.global.only.as_ref()
    }

    /// The program that the user names for OpenTofu.
    #[must_use]
    pub fn tofu_bin(&self) -> Option<PathBuf> {
        let named = self.global.tofu_bin.as_deref()?;
        // A path is meant from here; a bare name is looked for on PATH.
        Some(if named.components().count() > 1 { absolute(named) } else { named.to_owned() })
    }

    /// OpenTofu's state of an environment; absolute, because OpenTofu runs in another folder.
    #[must_use]
    pub fn tofu_state(&self, name: &EnvironmentName) -> PathBuf {
        absolute(&self.store.folder(name).join("terraform.tfstate"))
    }

    /// Where copies of an environment's data lie: `backups/<env>/`, beside `data/`, so that `purge` leaves them.
    #[must_use]
    pub fn backup_folder(&self, name: &EnvironmentName) -> PathBuf {
        self.global.working_dir.join("backups").join(name.as_str())
    }

    /// Keeps the log of a command that works on an environment in its folder, unless `--log-dir` names another.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn log_for(&self, name: &EnvironmentName) -> Result<()> {
        self.log.write_to(&self.store.folder(name).join(LOG_FILE))
    }

    /// The environment with the secrets of its stack in place of their references; they are masked from now on. The
    /// provider's own are none of the stack's business.
    ///
    /// # Errors
    /// `secret_unavailable`.
    pub fn reveal(&self, env: &Environment) -> Result<Environment> {
        let mut revealed = env.clone();
        for (pointer, secret) in revealed.config.secrets_mut() {
            if !pointer.starts_with("/provider") {
                let value = secret.resolve()?;
                self.out.mask_secret(value.expose());
                *secret = Secret::Literal(value.expose().to_owned());
            }
        }
        Ok(revealed)
    }

    /// Reads and checks a configuration file; its warnings are said.
    ///
    /// # Errors
    /// `config_invalid`, with all problems of the file.
    pub fn read_config(&self, file: &Path) -> Result<Config> {
        self.take(config::load(file, self.style())).map(|loaded| loaded.config)
    }

    /// As [`App::read_config`], with the warnings.
    ///
    /// # Errors
    /// `config_invalid`, with all problems of the file.
    pub fn read_config_with_warnings(&self, file: &Path) -> Result<Loaded> {
        self.take(config::load(file, self.style()))
    }

    /// Checks a configuration's text as [`App::read_config`] does.
    ///
    /// # Errors
    /// `config_invalid`, with all problems.
    pub fn check_config(&self, text: &str, name: &str) -> Result<Config> {
        self.take(config::parse(text, name, &absolute(Path::new(".")), self.style()))
            .map(|loaded| loaded.config)
    }

    fn style(&self) -> config::Style {
        config::Style::for_terminal(self.out.color())
    }

    fn take(&self, loaded: Result<Loaded>) -> Result<Loaded> {
        let loaded = loaded?;
        if !loaded.warnings.is_empty() {
            self.out.warn(&format!("the configuration is valid, but:\n{}", loaded.drawing.trim_end()));
        }
        Ok(loaded)
    }

    /// Forgets the stored host key, because its host is no longer the environment's.
    pub fn forget_host_key(&self, name: &EnvironmentName) {
        // There may be none; and one that stays would only refuse another host.
        let _ = std::fs::remove_file(self.store.folder(name).join(KNOWN_HOSTS));
    }

    /// The way to an environment's host.
    ///
    /// # Errors
    /// There is no host yet.
    pub fn target(&self, env: &Environment) -> Result<Target> {
        Ok(self.target_at(env, env.host()?))
    }

    /// The way to `host`, which may not be the environment's yet.
    #[must_use]
    pub fn target_at(&self, env: &Environment, host: &Host) -> Target {
        let credentials = &env.config.ssh_credentials;
        Target {
            environment: env.name.to_string(),
            host: host.address.clone(),
            port: host.port,
            user: credentials.username.clone(),
            key: credentials.private_key_path.clone(),
            known_hosts: absolute(&self.store.folder(&env.name).join(KNOWN_HOSTS)),
            pin: Pin { fingerprint: host.host_key.clone(), key: host.public_key.clone() },
            control: control_path(&self.store.folder(&env.name)),
        }
    }
}

/// The longest folder for sockets: with what `ssh` adds, a socket's path may have 104 characters on some systems.
const SOCKETS: usize = 60;

/// One per process, so that commands do not close each other's connection; in the user's own folder for such things, where
/// there is one.
fn control_path(folder: &Path) -> PathBuf {
    let id = sha256(absolute(folder).as_os_str().as_encoded_bytes());
    let user = rustix::process::getuid().as_raw();
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|own| own.is_absolute() && own.as_os_str().len() <= SOCKETS && own.is_dir());
    let sockets = own.map_or_else(
        || Path::new("/tmp").join(format!("torrust-deployer-{user}")),
        |own| own.join("torrust-deployer"),
    );
    sockets.join(format!("{}-{}", &id[..8], std::process::id()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
