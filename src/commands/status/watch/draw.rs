//! The screen. In a small terminal there is less of each, in the same order; colours only repeat what words say.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};

use super::super::facts::Container;
use super::super::judge::Level;
use super::keys::KEYS;
use super::rates::{History, KINDS};
use super::view::View;
use crate::output::words;

/// Below this a graph has one row.
const TALL: u16 = 20;
/// Below this a row has its most important cells alone.
const WIDE: u16 = 70;
const SERVICES: usize = 3;
const PROBLEMS: usize = 3;

/// Draws all of it.
pub fn draw(frame: &mut Frame, view: &View) {
    let area = frame.area();
    let tall = area.height >= TALL;
    let graph = if tall { 3 } else { 1 };
    let containers = view.facts.docker.containers.len().clamp(1, if tall { 8 } else { SERVICES });
    let problems = view.problems().len().min(if tall { PROBLEMS } else { 1 });
    let rows = [1, graph, graph, rows(containers), rows(problems), u16::from(tall)];
    let constraints =
        rows.map(Constraint::Length).into_iter().chain([Constraint::Min(0), Constraint::Length(1)]);
    let parts = Layout::vertical(constraints).split(area);
    frame.render_widget(header(view), parts[0]);
    announces(frame, view, parts[1]);
    processor(frame, view, parts[2]);
    services(frame, view, parts[3]);
    frame.render_widget(problem_lines(view), parts[4]);
    let of = view.chosen().map_or(String::new(), |container| format!("Log of {}", container.name));
    frame.render_widget(Line::styled(of, bold()), parts[5]);
    log(frame, view, parts[6]);
    frame.render_widget(Line::from("? keys  j/k service  r refresh  q quit"), parts[7]);
    if view.help {
        help(frame, area);
    }
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn painted(view: &View, level: Level) -> Style {
    match level {
        Level::Bad if view.color => bold().fg(Color::Red),
        Level::Warning if view.color => Style::new().fg(Color::Yellow),
        Level::Ok if view.color => Style::new().fg(Color::Green),
        Level::Bad => bold(),
        _ => Style::new(),
    }
}

/// What and where, and whether all is well or nothing is heard.
fn header(view: &View) -> Line<'_> {
    let count = |level| view.lines.iter().filter(|line| line.level == level).count();
    let (bad, warnings) = (count(Level::Bad), count(Level::Warning));
    let (standing, level) = match view.silence() {
        Some(silence) => (silence, Level::Bad),
        None if bad > 0 => (format!("{bad} BAD, {warnings} warnings"), Level::Bad),
        None if warnings > 0 => (format!("{warnings} warnings"), Level::Warning),
        None => ("all ok".into(), Level::Ok),
    };
    Line::from(vec![
        Span::styled(view.title.clone(), bold()),
        Span::raw("  "),
        Span::styled(standing, painted(view, level)),
    ])
}

/// Text on the left, the graph beside it.
fn graph(frame: &mut Frame, view: &View, area: Rect, text: Vec<String>, history: Option<&History>) {
    let width = if area.width >= WIDE { 32 } else { 18 };
    let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(text.into_iter().map(Line::from).collect::<Vec<_>>()), left);
    if let Some(history) = history {
        let data = history.last(usize::from(right.width));
        let style = if view.color { Style::new().fg(Color::Cyan) } else { Style::new() };
        frame.render_widget(Sparkline::default().data(data).style(style), right);
    }
}

fn announces(frame: &mut Frame, view: &View, area: Rect) {
    let text = match (view.rates.announces, &view.facts.figures) {
        (Some(rates), _) => {
            let [a, b, c, d] = std::array::from_fn(|kind| format!("{} {:.1}", KINDS[kind], rates[kind]));
            vec![
                format!("{:.1} announces/s", rates.iter().sum::<f64>()),
                format!("{a}  {b}"),
                format!("{c}  {d}"),
            ]
        }
        (None, Some(figures)) => match figures.get("error").and_then(|error| error.as_str()) {
            Some(error) => vec!["- announces/s".into(), "no counters:".into(), error.to_owned()],
            None => vec!["- announces/s".into()],
        },
        (None, None) => vec!["- announces/s".into(), "no API within reach".into()],
    };
    graph(frame, view, area, text, Some(&view.rates.announces_before));
}

fn processor(frame: &mut Frame, view: &View, area: Rect) {
    let Some(container) = view.chosen() else { return };
    let used = container.memory.zip(container.memory_limit);
    let used = used
        .map_or(String::new(), |(used, limit)| format!("{} of {}", words::bytes(used), words::bytes(limit)));
    let machine = view.facts.system.as_ref().map_or(String::new(), |system| {
        format!("host: load {:.2}, {} free", system.load, words::bytes(system.memory_free))
    });
    let text = vec![format!("{} CPU {}", container.service, percent(container)), used, machine];
    graph(frame, view, area, text, view.rates.cpu_before.get(&container.name));
}

fn percent(container: &Container) -> String {
    container.cpu_percent.map_or("-".into(), |percent| format!("{percent:.1} %"))
}

/// One row each; where they are too many, those around the chosen one.
fn services(frame: &mut Frame, view: &View, area: Rect) {
    let containers = &view.facts.docker.containers;
    let shown = usize::from(area.height);
    let first = view.selected.saturating_sub(shown.saturating_sub(1));
    let lines = containers.iter().enumerate().skip(first).take(shown).map(|(number, container)| {
        let chosen = number == view.selected;
        let mark = if chosen { ">" } else { " " };
        let style = painted(view, view.level(container));
        let style = if chosen { style.add_modifier(Modifier::REVERSED) } else { style };
        Line::styled(format!("{mark} {}", row(container, area.width)), style)
    });
    let lines: Vec<Line> = lines.collect();
    let none = if view.facts.are_told() { "  no containers" } else { "  not looked at yet" };
    let empty = lines.is_empty();
    frame.render_widget(if empty { Paragraph::new(none) } else { Paragraph::new(lines) }, area);
}

fn row(container: &Container, width: u16) -> String {
    let Container { service, state, health, restarts, image, .. } = container;
    let state = if state == "running" && !health.is_empty() { health } else { state };
    let brief = format!("{service:<11} {state:<10} {:>7}", percent(container));
    if width < WIDE {
        return brief;
    }
    let memory = container.memory.map_or("-".into(), words::bytes);
    let up = container
        .started
        .filter(|_| container.state == "running")
        .map_or("-".into(), |started| words::span(jiff::Timestamp::now().duration_since(started).as_secs()));
    format!("{brief} {memory:>10}  up {up:<10}  {restarts} restarts  {image}")
}

fn problem_lines(view: &View) -> Paragraph<'_> {
    let lines = view.problems().into_iter().map(|line| {
        Line::styled(format!("{} {}: {}", line.level, line.name, line.told()), painted(view, line.level))
    });
    Paragraph::new(lines.collect::<Vec<_>>())
}

/// The last lines that have room.
fn log(frame: &mut Frame, view: &View, area: Rect) {
    let first = view.log.len().saturating_sub(usize::from(area.height));
    let lines: Vec<Line> = view.log[first..].iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn help(frame: &mut Frame, area: Rect) {
    let (width, height) = (38.min(area.width), (rows(KEYS.len()) + 2).min(area.height));
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    let lines: Vec<Line> = KEYS.iter().map(|(keys, does)| Line::from(format!("{keys:<16} {does}"))).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("Keys")), place);
}

#[cfg(test)]
mod tests;
