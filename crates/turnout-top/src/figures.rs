//! Figures and names for people: as on the page (dashboard/dist/numbers.js, names.js).

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Three digits or so: 0.42, 8.1, 12.1, 340, 12,300.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        size if size < 0.01 => "<0.01".to_owned(),
        size if size < 1.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// How many.
pub(crate) fn count(value: f64) -> String {
    if value.is_finite() { grouped(value) } else { "-".to_owned() }
}

/// A figure that may be unknown.
pub(crate) fn known(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), figure)
}

/// A share in per cent, without the sign.
pub(crate) fn percent(share: f64) -> String {
    match share {
        share if !share.is_finite() => "-".to_owned(),
        share if share > 0.0 && share < 0.005 => "<1".to_owned(),
        share => format!("{:.0}", share * 100.0),
    }
}

/// Milliseconds with the unit that keeps the digits few.
pub(crate) fn duration(ms: f64) -> String {
    if ms < 1000.0 { format!("{} ms", figure(ms)) } else { format!("{} s", figure(ms / 1000.0)) }
}

/// How long ago something began: 12 s, 4 min, 3 h, 2 days.
pub(crate) fn age(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= 2.0 * size).unwrap_or((1.0, "s"));
    format!("{:.0} {unit}", (seconds / size).floor().max(0.0))
}

/// The name with nothing hidden in it: controls would drive the terminal, and others hide what a name says.
pub(crate) fn visible(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_control() || is_unseen(letter) {
            let _ = write!(text, "\\u{{{:x}}}", u32::from(letter));
        } else {
            text.push(letter);
        }
    }
    text
}

/// The name in so many columns, its end kept: the last word is the view.
pub(crate) fn fitted(name: &str, columns: usize) -> String {
    let (shown, all) = (visible(name), columns);
    if shown.width() <= all {
        return shown;
    }
    let mut left = all.saturating_sub(1);
    let mut from = shown.len();
    for (at, letter) in shown.char_indices().rev() {
        let wide = letter.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        from = at;
    }
    format!("~{}", &shown[from..])
}

/// Marks of direction, joiners, separators of lines: Unicode's Cf, Zl and Zp as far as terminals react to them.
fn is_unseen(letter: char) -> bool {
    matches!(u32::from(letter),
        0xAD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F)
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
