//! The log file: `tracing` events, filtered by `RUST_LOG` (default `info`).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::Out;
use super::secrets::Masked;
use crate::error::{Code, Error, Result};

/// Without `RUST_LOG`.
const DEFAULT_FILTER: &str = "info";

/// What of the libraries is logged, whatever `RUST_LOG` says: below it the HTTP client logs whole requests, as text and as
/// hex dumps in which no mask finds a secret.
const FOREIGN: LevelFilter = LevelFilter::WARN;

/// Where log events go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// To the log file.
    #[default]
    FileOnly,
    /// To the log file and to standard error.
    FileAndStderr,
}

/// How a log event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Several lines an event.
    Pretty,
    /// One JSON object an event.
    Json,
    /// One line an event.
    #[default]
    Compact,
}

/// Where the log goes, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Where to.
    pub target: Target,
    /// In the file.
    pub in_file: LogFormat,
    /// On standard error.
    pub on_stderr: LogFormat,
}

/// The log of this process: begun with the program, with a file from [`Log::write_to`] on.
pub struct Log(Arc<OnceLock<File>>);

impl Log {
    /// Begins the log. What `RUST_LOG` does not say in its own language is warned about.
    #[must_use]
    pub fn begin(out: &Out, style: Style) -> Self {
        let log = Self(Arc::default());
        let (file, secrets) = (log.0.clone(), out.secrets());
        let masked = move || Masked { to: Late(file.clone()), secrets: secrets.clone() };
        let mut layers = vec![layer(style.in_file, masked, false)];
        if style.target == Target::FileAndStderr {
            let secrets = out.secrets();
            let masked = move || Masked { to: std::io::stderr(), secrets: secrets.clone() };
            layers.push(layer(style.on_stderr, masked, out.color()));
        }
        // A second start in one process is refused by tracing, and harmless.
        let ours = filter_fn(|event| {
            event.target().starts_with(env!("CARGO_CRATE_NAME")) || *event.level() <= FOREIGN
        });
        let _ =
            tracing_subscriber::registry().with(layers.with_filter(filter(out)).with_filter(ours)).try_init();
        log
    }

    /// From now on events go to `path` too, which is appended to and readable by its owner only. The first file stays.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write_to(&self, path: &Path) -> Result<()> {
        if self.0.get().is_some() {
            return Ok(());
        }
        let failed = |error: std::io::Error| {
            Error::new(Code::StorageFailed, format!("cannot write the log file {}", path.display()))
                .why(error)
                .help("choose another folder with --log-dir DIR")
        };
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
        self.0.get_or_init(|| file);
        Ok(())
    }
}

fn filter(out: &Out) -> EnvFilter {
    let wanted = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let wanted = wanted.to_string_lossy();
    let wanted = if wanted.is_empty() { DEFAULT_FILTER } else { &*wanted };
    EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        out.warn(&format!(
            "RUST_LOG={wanted} is no log filter ({error}); the log is kept as with RUST_LOG={DEFAULT_FILTER}"
        ));
        EnvFilter::new(DEFAULT_FILTER)
    })
}

/// The log file, which the environment's name decides; what comes before it is written nowhere.
struct Late(Arc<OnceLock<File>>);

impl Write for Late {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.get().map_or(Ok(bytes.len()), |mut file| file.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.get().map_or(Ok(()), |mut file| file.flush())
    }
}

fn layer<W>(format: LogFormat, writer: W, ansi: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi).with_target(false);
    match format {
        LogFormat::Pretty => layer.pretty().boxed(),
        LogFormat::Json => layer.json().boxed(),
        LogFormat::Compact => layer.compact().boxed(),
    }
}
