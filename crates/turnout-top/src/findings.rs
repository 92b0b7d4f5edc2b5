//! What was noticed, as lines of a given width: what, when, and what to do about it.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::figures::{age, visible};
use crate::now::Finding;

/// Sentences begin so far in.
const INDENT: usize = 2;

/// One below the other, in their order. `time` is now.
pub(crate) fn list(findings: &[&Finding], time: f64, columns: usize) -> Vec<Line<'static>> {
    if findings.is_empty() {
        return vec!["Nothing was noticed.".into()];
    }
    let mut lines = Vec::new();
    for finding in findings {
        let loud = if finding.active { Style::new().fg(Color::Red) } else { Style::new() };
        let kind = Span::styled(visible(&finding.kind), loud.add_modifier(Modifier::BOLD));
        lines.push(Line::from(vec![kind, format!("  {} ago", age(time - finding.last)).into()]));
        for (text, style) in
            [(&finding.text, Style::new()), (&finding.advice, Style::new().add_modifier(Modifier::DIM))]
        {
            let wrapped = wrapped(&visible(text), columns.saturating_sub(INDENT));
            lines.extend(wrapped.into_iter().map(|line| Line::styled(" ".repeat(INDENT) + &line, style)));
        }
    }
    lines
}

/// In lines of so many columns, broken between words; a word that is longer than a line is broken too.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first");
        let gap = usize::from(!line.is_empty());
        if line.width() + gap + word.width() <= columns {
            line.push_str(&" ".repeat(gap));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for letter in word.chars() {
            let line = lines.last_mut().expect("there is a first");
            if !line.is_empty() && line.width() + letter.width().unwrap_or(0) > columns {
                lines.push(letter.to_string());
            } else {
                line.push(letter);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words_and_words_where_they_must_be() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a unbroken b", 4), ["a", "unbr", "oken", "b"]);
        assert_eq!(wrapped("旅館旅館", 4), ["旅館", "旅館"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }
}
