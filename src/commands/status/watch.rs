//! `status --watch`: looks again and again over one connection, on a full screen or as a line for each change.

mod draw;
mod feed;
mod keys;
mod lines;
mod rates;
mod screen;
mod view;

use std::io::IsTerminal;

use crate::app::App;
use crate::render::Templates;
use crate::services;
use crate::state::{self, Stage};

use super::judge::Wanted;
use super::question;
use feed::Feed;
use view::View;

/// Watches until somebody ends it.
pub fn run(app: &App, args: &super::Args, name: &crate::config::EnvironmentName) -> crate::commands::Done {
    app.out.refuse_beside_json("--watch")?;
    let env = app.store.as_it_stands(app.store.load(name)?)?;
    state::require(name.as_str(), env.stage, "status --watch", Stage::Configured)?;
    app.log_for(name)?;
    let env = app.reveal(&env)?;
    let target = app.target(&env)?;
    let wanted = Wanted::of(&env)?;
    let question = super::Question {
        deep: !args.services_only,
        interval: Some(f64::from(args.interval)),
        figures: services::figures(&env.config)?,
        // What changes by the day is not for a look each minute.
        registries: false,
        ..super::question(&env.config, &wanted)
    };
    let title = format!("{} at {}", env.name, target.host);
    let script = question::script(&Templates::of(&env)?)?;
    let feed = Feed::start(&app.out, target, question, script);
    let view = View::new(title, wanted, app.out.color(), f64::from(args.interval));
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        screen::show(app, &feed, view)?;
    } else {
        lines::tell(app, &feed, view)?;
    }
    Ok(crate::commands::Ending::Said(0))
}
