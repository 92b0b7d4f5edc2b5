//! `--once`: the header and the whole table as text, for a pipe, a log or a mail.

use ratatui::text::Line;

use crate::choice::Choice;
use crate::findings;
use crate::glyphs::Glyphs;
use crate::lines::{self, Widths};
use crate::now::Now;

/// What is written where nobody sits at a terminal and says how wide it is.
pub(crate) const COLUMNS: usize = 120;

/// The text, ending with a newline.
pub(crate) fn text(now: &Now, choice: &Choice, glyphs: Glyphs, columns: usize) -> String {
    let widths = Widths::new(columns);
    let mut shown = vec![lines::title(now)];
    shown.extend(lines::machine(now, columns));
    shown.extend(lines::workers(now, columns));
    shown.push(Line::default());
    if now.views.is_empty() {
        shown.push("No request has been answered in this time.".into());
    } else {
        shown.push(lines::heads(widths, choice));
        shown.extend(choice.of(&now.views).into_iter().map(|view| lines::row(view, widths, glyphs)));
        shown.push(Line::default());
        shown.push(Line::from(glyphs.legend()));
    }
    let noticed: Vec<_> = now.noticed().collect();
    if !noticed.is_empty() {
        shown.push(Line::default());
        shown.extend(findings::list(&noticed, now.time, columns));
    }
    shown.iter().fold(String::new(), |text, line| text + line.to_string().trim_end() + "\n")
}
