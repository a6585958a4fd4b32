//! The terminal: taken over for the watch, and given back however the watch ends.

use std::io::{Stdout, stdout};
use std::sync::Once;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw;
use super::feed::Feed;
use super::keys::{self, Wish};
use super::view::View;
use crate::app::App;
use crate::error::{Code, Error, Result};

/// How long a key is waited for before the news are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Times on the screen go on without news.
const REDRAW: Duration = Duration::from_secs(1);

/// Shows the view until the user has seen enough.
pub fn show(app: &App, feed: &Feed, mut view: View) -> Result<()> {
    let mut screen = Screen::open()?;
    let mut drawn: Option<Instant> = None;
    loop {
        app.interrupt.check().map_err(|_| keys::ended())?;
        let changed = view.take_all(feed, &app.out);
        if changed || drawn.is_none_or(|at| at.elapsed() > REDRAW) {
            screen.terminal.draw(|frame| draw::draw(frame, &view)).map_err(broken)?;
            drawn = Some(Instant::now());
        }
        if !event::poll(TICK).map_err(broken)? {
            continue;
        }
        drawn = None;
        let Event::Key(key) = event::read().map_err(broken)? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match keys::wish(key) {
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::Refresh) => feed.refresh(),
            Some(Wish::Help) => view.help = !view.help,
            Some(Wish::Next) => view.choose(true, feed),
            Some(Wish::Previous) => view.choose(false, feed),
            None => {}
        }
    }
}

/// A terminal that is ours as long as this value lives.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    fn open() -> Result<Self> {
        restore_on_panic();
        let opened = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        opened.map(|terminal| Self { terminal }).map_err(|error| {
            restore();
            broken(error)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was; what fails now has nobody left to hear it.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// The message of a panic would be lost on the screen that goes.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

fn broken(error: std::io::Error) -> Error {
    Error::new(Code::StorageFailed, "the terminal cannot be used")
        .why(error)
        .help("without a full screen: the same command with its output in a pipe, such as `| cat`")
}
