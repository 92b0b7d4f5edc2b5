//! The whole screen, painted into ratatui's buffer.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::choice::{Choice, Mode, WINDOWS};
use crate::figures::fitted;
use crate::findings;
use crate::glyphs::Glyphs;
use crate::lines::{self, Widths};
use crate::now::{Now, View};

/// What there is to show.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) now: Option<Now>,
    /// Why there is nothing newer.
    pub(crate) lost: Option<String>,
    pub(crate) choice: Choice,
    pub(crate) glyphs: Glyphs,
}

const HELP: &str = "q quit  / filter  <> sort  r reverse  1-4 window  p pause";

const FINDINGS_HELP: &str = "f back to the table  arrows scroll  q quit";

/// Paints it. The table gets what header and footer leave; its first row is kept within it.
pub(crate) fn paint(frame: &mut Frame<'_>, shown: &mut Shown) {
    let area = frame.area();
    let columns = usize::from(area.width);
    let Some(now) = &shown.now else {
        let text = shown.lost.clone().unwrap_or_else(|| "Asking the server...".to_owned());
        frame.render_widget(ratatui::widgets::Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }), area);
        return;
    };
    let mut head = vec![lines::title(now)];
    head.extend(lines::machine(now, columns));
    head.extend(lines::workers(now, columns));
    head.extend(
        shown
            .lost
            .as_ref()
            .map(|why| Line::styled(fitted(why, columns), Style::new().fg(Color::Red).add_modifier(Modifier::BOLD))),
    );
    head.push(Line::default());
    let chosen = shown.choice.of(&now.views);
    let listing = shown.choice.mode == Mode::Findings;
    let rows = if listing {
        findings::list(&now.findings.iter().collect::<Vec<_>>(), now.time, columns)
    } else {
        let widths = Widths::new(columns);
        head.push(lines::heads(widths, &shown.choice));
        table(now, &chosen, widths, shown.glyphs)
    };
    let room = usize::from(area.height).saturating_sub(head.len() + 2);
    shown.choice.first = shown.choice.first.min(rows.len().saturating_sub(room));
    let all = head.into_iter().chain(rows.into_iter().skip(shown.choice.first).take(room));
    for (y, line) in (area.y..area.bottom()).zip(all) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
    let foot = if listing {
        [Line::default(), Line::styled(FINDINGS_HELP, Style::new().add_modifier(Modifier::DIM))]
    } else {
        [Line::from(shown.glyphs.legend()), status(&shown.choice, chosen.len(), now.views.len())]
    };
    for (up, line) in (1..).zip(foot.into_iter().rev()) {
        if let Some(y) = area.bottom().checked_sub(up).filter(|y| *y >= area.y) {
            frame.render_widget(ratatui::widgets::Clear, Rect { y, height: 1, ..area });
            frame.render_widget(line, Rect { y, height: 1, ..area });
        }
    }
    if !shown.glyphs.colour() {
        frame.buffer_mut().content.iter_mut().for_each(|cell| cell.fg = Color::Reset);
    }
}

fn table(now: &Now, chosen: &[&View], widths: Widths, glyphs: Glyphs) -> Vec<Line<'static>> {
    if !chosen.is_empty() {
        return chosen.iter().map(|view| lines::row(view, widths, glyphs)).collect();
    }
    let none = if now.views.is_empty() {
        "No request has been answered in this time."
    } else {
        "No view's name contains this."
    };
    vec![none.into()]
}

fn status(choice: &Choice, shown: usize, all: usize) -> Line<'static> {
    if choice.mode == Mode::Typing {
        return Line::from(vec![
            Span::raw(format!("/{}", choice.filter)),
            Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
        ]);
    }
    let window = WINDOWS.iter().find(|(seconds, _)| *seconds == choice.seconds);
    let window = window.map_or_else(|| format!("{} s", choice.seconds), |(_, text)| (*text).to_owned());
    let mut said = vec![
        format!("last {window}"),
        if shown == all { format!("{all} views") } else { format!("{shown} of {all} views") },
    ];
    if !choice.filter.is_empty() {
        said.push(format!("with {:?}", choice.filter));
    }
    if choice.paused {
        said.push("paused".to_owned());
    }
    Line::from(vec![
        said.join(", ").into(),
        Span::styled(format!("  {HELP}"), Style::new().add_modifier(Modifier::DIM)),
    ])
}
