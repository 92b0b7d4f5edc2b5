//! Every head that the framer passes is one that hyper's parser takes, with the same end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout_http::Limits;
use turnout_http::framer::{Framer, Verdict};

fuzz_target!(|bytes: &[u8]| {
    let mut framer = Framer::new(&Limits::default());
    let mut held = bytes;
    while !held.is_empty() {
        match framer.judge(held) {
            Verdict::Head(good, _) => {
                let mut fields = [httparse::EMPTY_HEADER; 100];
                let mut request = httparse::Request::new(&mut fields);
                assert_eq!(request.parse(held), Ok(httparse::Status::Complete(good)));
                held = &held[good..];
            }
            Verdict::Content(good) => held = &held[good..],
            Verdict::More | Verdict::Refuse(_) => return,
        }
    }
});
