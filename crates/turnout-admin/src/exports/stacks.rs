//! Where requests were off their processors, as collapsed stacks: a line for each, frames from the outside in with `;` between them, then microseconds.
//! What `flamegraph.pl` and <https://www.speedscope.app> read.

use std::fmt::Write as _;

use turnout_states::Times;

use crate::store::{Store, Sum, Waited};

/// Of one view, or of all, in the last so many seconds.
pub(crate) fn stacks(store: &Store, view: Option<u16>, seconds: u32) -> String {
    let mut sums: Vec<(u16, Sum)> = Vec::new();
    for sample in store.window(seconds.into()) {
        for (place, slice) in sample.views.iter().filter(|(place, _)| view.is_none_or(|view| view == *place)) {
            let found = sums.binary_search_by_key(place, |(known, _)| *known);
            let at = found.unwrap_or_else(|at| {
                sums.insert(at, (*place, Sum::default()));
                at
            });
            sums[at].1.add(slice);
        }
    }
    let waited = store.spots(view, seconds.into());
    let mut text = String::new();
    for (place, sum) in &sums {
        let view = frame(store.name(*place));
        for (_, Waited { spot, time, .. }) in waited.iter().filter(|(view, _)| view == place) {
            let call = frame(&format!("{} {}", spot.kind.word(), spot.address));
            let site = spot.site.as_deref().map(frame);
            let frames: Vec<_> = [Some(&*view), site.as_deref(), Some(&*call)].into_iter().flatten().collect();
            line(&mut text, &frames, time * 1e6);
        }
        for (frames, nanoseconds) in parts(&sum.times, sum.kinds.iter().sum()) {
            line(&mut text, &[&view, frames], nanoseconds as f64 / 1e3);
        }
    }
    text
}

/// What no call tells of.
fn parts(times: &Times, calls: u64) -> [(&'static str, u64); 7] {
    [
        ("other I/O", times.io.saturating_sub(calls)),
        ("client", times.client),
        ("no free thread (they waited)", times.no_thread_io),
        ("no free thread (they computed)", times.no_thread_cpu),
        ("Waiting for CPU;run queue", times.run_queue),
        ("Waiting for CPU;GIL", times.gil),
        ("Waiting for CPU;loop", times.loop_queue),
    ]
}

fn line(text: &mut String, frames: &[&str], microseconds: f64) {
    // Its readers take whole numbers only.
    if microseconds >= 0.5 {
        // A string's write cannot fail.
        let _ = writeln!(text, "{} {microseconds:.0}", frames.join(";"));
    }
}

/// A name may be anything: what would end a frame or a line, and what cannot be seen, is spelled out as the page does it.
fn frame(name: &str) -> String {
    let mut frame = String::with_capacity(name.len());
    for letter in name.chars() {
        let hidden = matches!(letter,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if letter == ';' || hidden || letter.is_control() {
            let _ = write!(frame, "\\u{{{:x}}}", u32::from(letter));
        } else {
            frame.push(letter);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_nothing_that_ends_it() {
        assert_eq!(frame("hotels.views.süche"), "hotels.views.süche");
        assert_eq!(frame("a;b\nc 7\r\u{2028}\u{202e}\0"), "a\\u{3b}b\\u{a}c 7\\u{d}\\u{2028}\\u{202e}\\u{0}");
    }
}
