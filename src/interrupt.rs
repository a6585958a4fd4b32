//! Ctrl-C and the signals that ask the program to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Code, Error, Result};

/// Remembers that the user wants the program to stop.
#[derive(Clone, Default)]
pub struct Interrupt {
    again: Arc<AtomicBool>,
    wanted: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, interrupt.wanted.clone())
                .and_then(|_| signal_hook::flag::register(signal, interrupt.again.clone()))
                .map_err(|error| Error::new(Code::Internal, "cannot listen for signals").why(error))?;
        }
        Ok(interrupt)
    }

    /// Ends what listens to this one alone, as a signal would.
    pub fn end(&self) {
        self.again.store(true, Ordering::Relaxed);
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether a signal came, now or before.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Whether a signal came since the last call: the first one forwards, the next one kills.
    #[must_use]
    pub fn came(&self) -> bool {
        self.again.swap(false, Ordering::Relaxed)
    }

    /// Stops here when a signal came.
    ///
    /// # Errors
    /// `interrupted`, when one came.
    pub fn check(&self) -> Result<()> {
        if self.wanted() { Err(error()) } else { Ok(()) }
    }
}

/// What the user reads after Ctrl-C.
#[must_use]
pub fn error() -> Error {
    Error::new(Code::Interrupted, "interrupted").help("the same command again goes on from here")
}
