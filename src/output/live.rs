//! The live line of the step in progress: a spinner at a terminal, a sign of life now and then elsewhere.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal a long step speaks up this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub struct Live {
    animated: bool,
    color: bool,
    bar: Option<ProgressBar>,
    title: String,
    detail: String,
    since: Instant,
    last_sign: Instant,
}

impl Live {
    pub fn new(animated: bool, color: bool) -> Self {
        let now = Instant::now();
        Self {
            animated,
            color,
            bar: None,
            title: String::new(),
            detail: String::new(),
            since: now,
            last_sign: now,
        }
    }

    pub fn start(&mut self, title: &str) {
        title.clone_into(&mut self.title);
        self.detail.clear();
        self.since = Instant::now();
        self.last_sign = self.since;
        if self.animated {
            let template = if self.color {
                "{spinner:.cyan} {wide_msg} {elapsed:.dim}"
            } else {
                "{spinner} {wide_msg} {elapsed}"
            };
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
    }

    pub fn detail(&mut self, text: &str) {
        text.clone_into(&mut self.detail);
        if let Some(bar) = &self.bar {
            let short: String = text.chars().take(80).collect();
            bar.set_message(format!("{}: {short}", self.title));
        }
    }

    /// A line to print when the step has been silent for long and no live line can show that it is alive.
    pub fn tick(&mut self) -> Option<String> {
        if self.bar.is_some() || self.title.is_empty() || self.last_sign.elapsed() < SIGN_OF_LIFE {
            return None;
        }
        self.last_sign = Instant::now();
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        Some(format!("  {} still at work after {} s{detail}", self.title, self.since.elapsed().as_secs()))
    }

    /// Takes the live line away while somebody is asked; the step goes on without one.
    pub fn pause(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Ends the live line and gives the step's title back.
    pub fn finish(&mut self) -> String {
        self.pause();
        std::mem::take(&mut self.title)
    }

    pub fn print(&self, text: &str) {
        self.beside_bar(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    pub fn print_inline(&self, text: &str) {
        self.beside_bar(|| {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
        });
    }

    pub fn beside_bar<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}
