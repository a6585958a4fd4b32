//! The screen as it is drawn, large and small.

use jiff::{Timestamp, ToSpan};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::super::facts::{Docker, Facts, Log, Release, System};
use super::super::super::judge::Wanted;
use super::*;
use crate::output::{Format, Out, Style as OutStyle};
use crate::services;
use crate::state::Stage;

fn container(service: &str, health: &str, cpu: f64) -> Container {
    Container {
        name: format!("torrust-{service}-1"),
        service: service.into(),
        state: "running".into(),
        health: health.into(),
        started: Some(Timestamp::now() - 2.hours()),
        image: format!("lab/{service}:1.0"),
        networks: vec!["torrust-deployer-stack_metrics".into()],
        cpu_percent: Some(cpu),
        memory: Some(25 << 20),
        memory_limit: Some(2 << 30),
        ..Container::default()
    }
}

fn look(second: u32) -> Facts {
    let count = u64::from(second * second * 10);
    let figures = KINDS.map(|kind| (format!("{kind}_announces_handled"), count.into()));
    let lines =
        (0..50).map(|number| format!("line {number} of \u{1b}[31mthe log\u{1b}[0m with hunter22")).collect();
    Facts {
        ended: second.into(),
        docker: Docker {
            containers: vec![
                container("prometheus", "healthy", 0.4),
                container("tracker", "unhealthy", 12.0 * f64::from(second)),
            ],
            ..Docker::default()
        },
        system: Some(System {
            load: 0.42,
            processors: 2,
            memory: 4 << 30,
            memory_free: 3 << 30,
            synchronised: true,
            ..System::default()
        }),
        release: Some(Release { number: Some("1".into()), files: 9, ..Release::default() }),
        figures: Some(figures.into()),
        log: Some(Log { container: "torrust-deployer-stack-tracker-1".into(), lines }),
        ..Facts::default()
    }
}

fn view() -> View {
    let of = |name: &'static str| services::Container {
        name,
        image: format!("lab/{name}:1.0"),
        networks: vec!["metrics"],
        ..services::Container::default()
    };
    let wanted = Wanted {
        addresses: vec![],
        name: "demo".into(),
        stage: Stage::Running,
        containers: vec![of("tracker"), of("prometheus")],
        default_images: vec![],
        made_by_us: true,
        firewall: true,
    };
    View::new("demo at 192.0.2.7".into(), wanted, false, 2.0)
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    assert!(
        buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset),
        "there is colour"
    );
    terminal.backend().to_string()
}

fn full() -> View {
    let out = Out::new(OutStyle { format: Format::Text, quiet: true, verbose: 0, color: false });
    out.mask_secret("hunter22");
    let mut view = view();
    for second in 1..6 {
        view.take(look(second), &out);
    }
    view
}

#[test]
fn all_of_it_fits_a_large_terminal() {
    insta::assert_snapshot!(drawn(&full(), 100, 30));
}

#[test]
fn the_most_important_fits_a_small_one() {
    insta::assert_snapshot!(drawn(&full(), 40, 10));
}

#[test]
fn the_keys_are_explained_in_a_small_one() {
    let mut view = full();
    view.help = true;
    insta::assert_snapshot!(drawn(&view, 40, 10));
}

#[test]
fn a_view_without_news_says_so_in_any_size() {
    let mut view = view();
    assert!(drawn(&view, 40, 10).contains("connecting"));
    view.lost = Some("the connection to 192.0.2.7 broke".into());
    assert!(
        drawn(&view, 100, 30).contains("connection lost, trying again: the connection to 192.0.2.7 broke")
    );
    for (width, height) in [(1, 1), (5, 3), (20, 5), (300, 100)] {
        drawn(&view, width, height);
        drawn(&full(), width, height);
    }
}
