//! The bar of a view in characters: three that can be told apart without colour, and three colours of the terminal's own palette.

use ratatui::style::{Color, Style};
use ratatui::text::Span;

use crate::now::Shares;

/// What the three states are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glyphs {
    states: [&'static str; 3],
    colour: bool,
}

const BLOCKS: [&str; 3] = ["█", "▒", "·"];
const ASCII: [&str; 3] = ["#", "/", "."];
// Light blue: the plain one is hard to read on black.
const COLOURS: [Color; 3] = [Color::Green, Color::Yellow, Color::LightBlue];
/// The states by name, in the order of the bar.
pub(crate) const TITLES: [&str; 3] = ["Processing", "Waiting for CPU", "Waiting for I/O"];

impl Glyphs {
    /// Blocks where the terminal speaks UTF-8, as `locale` (LC_ALL, LC_CTYPE or LANG) says.
    pub(crate) fn new(locale: &str, colour: bool) -> Self {
        let locale = locale.to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        Self { states: if unicode { BLOCKS } else { ASCII }, colour }
    }

    /// Whether colours are welcome.
    pub(crate) fn colour(self) -> bool {
        self.colour
    }

    /// So many columns, shared out; every state that took time gets at least one, if there are that many.
    pub(crate) fn bar(self, shares: Shares, columns: usize) -> Vec<Span<'static>> {
        let cells = cells([shares.processing, shares.cpu, shares.io], columns);
        let drawn = self.states.into_iter().zip(COLOURS).zip(cells);
        let mut spans: Vec<_> = drawn.map(|((glyph, colour), cells)| self.span(glyph.repeat(cells), colour)).collect();
        spans.push(Span::raw(" ".repeat(columns - cells.iter().sum::<usize>())));
        spans
    }

    /// What means what.
    pub(crate) fn legend(self) -> Vec<Span<'static>> {
        let states = self.states.into_iter().zip(COLOURS).zip(TITLES);
        states
            .flat_map(|((glyph, colour), title)| [self.span(glyph.to_owned(), colour), format!(" {title}  ").into()])
            .collect()
    }

    fn span(self, text: String, colour: Color) -> Span<'static> {
        Span::styled(text, if self.colour { Style::new().fg(colour) } else { Style::new() })
    }
}

/// The largest remainders get what rounding leaves over.
fn cells(shares: [f64; 3], columns: usize) -> [usize; 3] {
    // What is no share takes no room.
    let shares = shares.map(|share| if share.is_finite() { share.max(0.0) } else { 0.0 });
    let sum: f64 = shares.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return [0; 3];
    }
    let exact = shares.map(|share| share / sum * columns as f64);
    #[expect(clippy::cast_sign_loss, reason = "shares were cut to be none below nothing")]
    let mut cells = exact.map(|cells| cells as usize);
    while cells.iter().sum::<usize>() < columns {
        let lack = |at: &usize| exact[*at] - cells[*at] as f64;
        let most = (0..3).max_by(|a, b| lack(a).total_cmp(&lack(b))).expect("three states");
        cells[most] += 1;
    }
    for at in 0..3 {
        if cells[at] == 0 && exact[at] > 0.0 && columns >= 3 {
            let largest = (0..3).max_by_key(|other| cells[*other]).expect("three states");
            cells[largest] -= 1;
            cells[at] = 1;
        }
    }
    cells
}
