//! Everything that is shown, as lines of a given width: the header, the workers, the table. The screen paints them, `--once` prints them.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::choice::{Choice, Sort};
use crate::figures::{age, count, duration, figure, fitted, known, percent};
use crate::glyphs::Glyphs;
use crate::now::{Now, State, View, Worker};

/// Columns of figures: what they sort by, their heads, their width with the gap before.
const FIGURES: [(Sort, &str, usize); 5] = [
    (Sort::Rate, "Rate/s", 8),
    (Sort::P50, "p50 ms", 8),
    (Sort::P95, "p95 ms", 8),
    (Sort::Failed, "Failed", 8),
    (Sort::Total, "Total s/min", 13),
];
/// The three shares in per cent behind the bar.
const SHARES: [(Sort, &str); 3] = [(Sort::Processing, "P %"), (Sort::Cpu, "C %"), (Sort::Io, "W %")];
const SHARE: usize = 5;
/// Below this width a table with everything would have no room for names: shares and failures go first.
const NARROW: usize = 96;
/// Names get a little more than half of what the figures leave, the bar the rest.
const NAMES: (usize, usize) = (11, 20);

/// The width of each part of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    name: usize,
    bar: usize,
    narrow: bool,
}

impl Widths {
    /// Sharing out so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        let narrow = columns < NARROW;
        let taken: usize = figures(narrow).map(|(_, _, width)| width).sum();
        let shares = if narrow { 0 } else { SHARES.len() * SHARE };
        let rest = columns.saturating_sub(taken + shares + 2);
        let bar = rest - rest * NAMES.0 / NAMES.1;
        Self { name: rest - bar, bar, narrow }
    }
}

fn figures(narrow: bool) -> impl Iterator<Item = (Sort, &'static str, usize)> {
    FIGURES.into_iter().filter(move |(sort, ..)| !(narrow && *sort == Sort::Failed))
}

/// What server, and since when.
pub(crate) fn title(now: &Now) -> Line<'static> {
    let server = &now.server;
    Line::from(vec![
        Span::styled(fitted(&server.title, 40), Style::new().add_modifier(Modifier::BOLD)),
        format!(", runs for {}", age(now.time - server.started)).into(),
    ])
}

/// The machine's header: one figure after the other, as many a line as fit.
pub(crate) fn machine(now: &Now, columns: usize) -> Vec<Line<'static>> {
    let sum = |of: fn(&Worker) -> f64| -> f64 { now.alive().map(of).sum() };
    let most = |of: fn(&Worker) -> f64| now.alive().map(of).fold(f64::NAN, f64::max);
    let machine = &now.machine;
    let rate: f64 = now.views.iter().map(|view| view.rps).sum();
    let gil = now.alive().filter_map(|worker| worker.gil_utilisation).reduce(f64::max);
    let queued = sum(|worker| worker.queued as f64);
    let mut said = vec![
        ("In flight", format!("{} at {}/s", count(sum(|worker| worker.in_flight as f64)), figure(rate))),
        ("CPU", format!("{} of {}", figure(sum(|worker| worker.cpu)), machine.cores)),
        ("Run queue", machine.pressure_cpu.map_or_else(|| "-".to_owned(), |it| format!("{} %", percent(it)))),
        ("GIL", gil.map_or_else(|| "-".to_owned(), |it| format!("{} %", percent(it)))),
        (
            "Loop",
            format!(
                "{} %, a step waits {} ms",
                percent(most(|it| it.loop_utilisation)),
                figure(most(|it| it.loop_queue))
            ),
        ),
        ("Threads", format!("{} of {}", count(sum(|it| it.threads_busy as f64)), count(sum(|it| it.threads as f64)))),
        ("Knee N*", known(now.knee())),
    ];
    if queued > 0.0 {
        said.push(("Wait for a thread", count(queued)));
    }
    let over = |share: Option<f64>| share.filter(|share| *share >= 0.02).map(|it| format!("{} %", percent(it)));
    said.extend(over(machine.steal).map(|it| ("Stolen", it)));
    said.extend(over(machine.throttled).map(|it| ("Throttled", it)));
    flowing(said.into_iter().map(|(title, value)| (title, value, Style::new())), columns)
}

/// Who serves, and by name who does not; how much was noticed.
pub(crate) fn workers(now: &Now, columns: usize) -> Vec<Line<'static>> {
    let (serving, others): (Vec<_>, Vec<_>) = now.workers.iter().partition(|worker| worker.state == State::Serving);
    let count = format!("{} of {} serve", serving.len(), now.workers.len());
    let loud = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    let others = others.into_iter().map(|worker| ("", condition(worker, now.time), loud));
    let noticed = Some(now.noticed().count()).filter(|noticed| *noticed > 0);
    let noticed = noticed.map(|noticed| ("Findings", format!("{noticed} in the last minute (f)"), loud));
    flowing(std::iter::once(("Workers", count, Style::new())).chain(others).chain(noticed), columns)
}

fn condition(worker: &Worker, time: f64) -> String {
    let who = match worker.process {
        0 => format!("worker {}", worker.number),
        process => format!("worker {} (pid {process})", worker.number),
    };
    match worker.state {
        State::Blocked => format!("{who} blocked for {}", duration(worker.blocked_for)),
        State::Silent => format!("{who} silent for {}", age(time - worker.written)),
        State::Gone => format!("{who} gone"),
        State::Serving | State::Other => format!("{who} in a state this turnout does not know"),
    }
}

/// Heads of the table; the one that it is sorted by stands out, by a sign too.
pub(crate) fn heads(widths: Widths, choice: &Choice) -> Line<'static> {
    let head = |sort: Sort, text: &str| {
        let chosen = sort == choice.sort;
        let sign = if choice.down { "v" } else { "^" };
        let style = Style::new().add_modifier(if chosen {
            Modifier::BOLD | Modifier::UNDERLINED
        } else {
            Modifier::UNDERLINED
        });
        (if chosen { format!("{sign}{text}") } else { text.to_owned() }, style)
    };
    let (name, style) = head(Sort::Name, "View");
    let mut spans = vec![Span::styled(format!("{name:<0$}", widths.name), style)];
    for (sort, text, width) in figures(widths.narrow) {
        let (text, style) = head(sort, text);
        spans.push(Span::styled(format!("{text:>width$}"), style));
    }
    // Where there is no column for the shares, the bar's head says which of them sorts.
    let bar = match (widths.narrow, SHARES.iter().find(|(sort, _)| *sort == choice.sort)) {
        (true, Some((sort, _))) => head(*sort, sort.title()).0,
        _ => "Where time goes".to_owned(),
    };
    let plain = Style::new().add_modifier(Modifier::UNDERLINED);
    spans.push(Span::styled(format!("  {:<1$}", cut(&bar, widths.bar), widths.bar), plain));
    if !widths.narrow {
        for (sort, text) in SHARES {
            let (text, style) = head(sort, text);
            spans.push(Span::styled(format!("{text:>SHARE$}"), style));
        }
    }
    Line::from(spans)
}

/// One view.
pub(crate) fn row(view: &View, widths: Widths, glyphs: Glyphs) -> Line<'static> {
    let name = fitted(&view.name, widths.name);
    // By columns and not by letters: some letters take two.
    let pad = " ".repeat(widths.name.saturating_sub(name.width()));
    let mut spans = vec![Span::raw(name + &pad)];
    for (sort, _, width) in figures(widths.narrow) {
        let (text, style) = match sort {
            Sort::Rate => (figure(view.rps), Style::new()),
            Sort::P50 => (known(view.p50), Style::new()),
            Sort::P95 => (known(view.p95), Style::new()),
            Sort::Failed if view.failed > 0 => (count(view.failed as f64), Style::new().fg(Color::Red)),
            Sort::Failed => ("0".to_owned(), Style::new()),
            _ => (figure(view.seconds_a_minute), Style::new()),
        };
        spans.push(Span::styled(format!("{text:>width$}"), style));
    }
    spans.push(Span::raw("  "));
    spans.extend(glyphs.bar(view.shares, widths.bar));
    if !widths.narrow {
        let shares = [view.shares.processing, view.shares.cpu, view.shares.io];
        spans.extend(shares.map(|share| Span::raw(format!("{:>SHARE$}", percent(share)))));
    }
    Line::from(spans)
}

/// Titles and values, three columns apart, in as many lines as they need.
fn flowing(said: impl Iterator<Item = (&'static str, String, Style)>, columns: usize) -> Vec<Line<'static>> {
    const GAP: usize = 3;
    let mut lines = vec![Line::default()];
    for (title, value, style) in said {
        let value = cut(&value, columns.saturating_sub(title.len() + 1));
        let wide = title.len() + usize::from(!title.is_empty()) + value.width();
        let line = lines.last_mut().expect("there is a first");
        let used = line.width();
        let line = if used == 0 {
            line
        } else if used + GAP + wide <= columns {
            line.push_span(" ".repeat(GAP));
            line
        } else {
            lines.push(Line::default());
            lines.last_mut().expect("just pushed")
        };
        if !title.is_empty() {
            line.push_span(Span::styled(format!("{title} "), Style::new().add_modifier(Modifier::DIM)));
        }
        line.push_span(Span::styled(value, style));
    }
    lines
}

/// The beginning of a text of ours, in so many columns.
fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}
