//! The framer never panics, and how bytes are cut into reads never changes what it says. The first byte chooses the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout_http::Limits;
use turnout_http::framer::{Framer, Verdict};

/// The ends of whole messages, and the status of the refusal.
fn judge(bytes: &[u8], limits: &Limits, size: usize) -> (Vec<usize>, Option<u16>) {
    let mut framer = Framer::new(limits);
    let (mut shown, mut passed, mut ends) = (0, 0, Vec::new());
    while shown < bytes.len() {
        shown = (shown + size).min(bytes.len());
        while passed < shown {
            match framer.judge(&bytes[passed..shown]) {
                Verdict::Head(good, _) | Verdict::Content(good) => passed += good,
                Verdict::More => break,
                Verdict::Refuse(refusal) => return (ends, Some(refusal.status.as_u16())),
            }
            if framer.between_messages() {
                ends.push(passed);
            }
        }
    }
    (ends, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let small = Limits { head_bytes: 120, target_bytes: 20, body_bytes: Some(40), ..Limits::default() };
    for limits in [Limits::default(), small] {
        let at_once = judge(rest, &limits, usize::MAX - rest.len());
        assert_eq!(at_once, judge(rest, &limits, usize::from(*first).max(1)));
    }
});
