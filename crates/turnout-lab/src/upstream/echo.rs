//! The echo: an answer after an exact time, of a chosen size, for benchmarks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;

use super::answer::{Answer, Query, World, answer, refusal, stamp};
use super::draw::{draw, fraction, of_text};
use crate::timer::Moment;

/// The echo refuses to wait longer, so that a slip of the keyboard does not hold a benchmark for hours.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The echo refuses to grow further.
const LARGEST_ECHO: usize = 16 << 20;

/// Made once, for they would cost more than the answer around them. More than a benchmark has kinds of calls; beyond it they are made each time.
const MOST_KEPT: usize = 64;

/// What the echo remembers.
#[derive(Default)]
pub(super) struct Echoes {
    calls: AtomicU64,
    documents: Mutex<BTreeMap<(u64, usize), Bytes>>,
}

/// What was asked for.
struct Wish {
    wait: Duration,
    /// The share of calls that take `slow_wait` instead.
    slow: f64,
    slow_wait: Duration,
    hang: bool,
    pad: usize,
    document: Option<(u64, usize)>,
}

impl Wish {
    /// `None`: it makes no sense.
    fn of(ms: Option<&str>, query: &Query<'_>) -> Option<Self> {
        let wish = Self {
            wait: wait(ms.unwrap_or("0"))?,
            slow: number(query, "slow", 0.0)?,
            slow_wait: wait(query.get("slow_ms").as_deref().unwrap_or("1000"))?,
            hang: query.get("hang").is_some_and(|value| value == "1"),
            pad: number(query, "bytes", 0)?,
            document: match query.get("json") {
                Some(size) => Some((of_text(&query.get("source").unwrap_or_default()), size.parse().ok()?)),
                None => None,
            },
        };
        let size = wish.document.map_or(wish.pad, |(_, size)| size);
        (size <= LARGEST_ECHO && (0.0..=1.0).contains(&wish.slow)).then_some(wish)
    }
}

fn wait(ms: &str) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(ms.parse::<f64>().ok()? / 1000.0).ok()?;
    (wait <= LONGEST_WAIT).then_some(wait)
}

fn number<T: FromStr>(query: &Query<'_>, name: &str, default: T) -> Option<T> {
    query.get(name).map_or(Some(default), |value| value.parse().ok())
}

impl World {
    /// An answer after so many milliseconds.
    pub(super) async fn echo(&self, ms: Option<&str>, query: &Query<'_>) -> Answer {
        let _call = self.stats.call(None);
        let read = Moment::now();
        let Some(wish) = Wish::of(ms, query) else {
            return refusal(StatusCode::BAD_REQUEST, "at most 60000 ms, 16 MiB and a share from 0 to 1");
        };
        if wish.hang {
            // Ends when the caller hangs up.
            std::future::pending::<()>().await;
        }
        let call = self.echoes.calls.fetch_add(1, Relaxed);
        let unlucky = fraction(self.seed ^ of_text("slow"), call) < wish.slow;
        let wait = if unlucky { wish.slow_wait } else { wish.wait };
        self.wait(read, wait).await;
        let mut answer = answer(StatusCode::OK, self.body(&wish, wait));
        stamp(&mut answer, read);
        answer
    }

    fn body(&self, wish: &Wish, wait: Duration) -> Bytes {
        if let Some((source, size)) = wish.document {
            return self.echoes.document(self.seed, source, size);
        }
        let mut body = format!("{{\"ms\":{}", wait.as_secs_f64() * 1000.0);
        if wish.pad > 0 {
            body.push_str(",\"pad\":\"");
            body.extend(std::iter::repeat_n('.', wish.pad));
            body.push('"');
        }
        body.push('}');
        body.into()
    }
}

impl Echoes {
    fn document(&self, seed: u64, source: u64, size: usize) -> Bytes {
        if let Some(kept) = self.documents.lock().get(&(source, size)) {
            return kept.clone();
        }
        let made = Bytes::from(document(seed ^ source, size));
        let mut documents = self.documents.lock();
        if documents.len() < MOST_KEPT {
            documents.insert((source, size), made.clone());
        }
        made
    }
}

/// JSON of `size` bytes, as an API would send it: offers with texts, numbers, truths and a list in each. Smaller sizes than one offer's give none. Numbers
/// are written as every writer of JSON writes them, so that what was read and written again can be compared.
fn document(seed: u64, size: usize) -> String {
    const END: &str = "]}";
    let mut text = String::with_capacity(size);
    text.push_str("{\"offers\":[");
    for number in 0_u64.. {
        let luck = |salt: u64| draw(seed, 8 * number + salt);
        let before = text.len();
        let comma = if number == 0 { "" } else { "," };
        write!(
            text,
            "{comma}{{\"id\":{},\"hotel\":\"Hotel {:05}\",\"district\":\"Stra\u{df}e {}\",\"stars\":{},\"price\":{}.{},\"breakfast\":{},\"rooms\":[{},{},{}],\"note\":null}}",
            luck(0) >> 20,
            luck(1) % 100_000,
            luck(2) % 100,
            2 + luck(3) % 4,
            40 + luck(4) % 400,
            1 + luck(5) % 9,
            luck(6) % 2 == 0,
            luck(7) % 3,
            luck(7) % 5,
            luck(7) % 7,
        )
        .expect("a String takes all");
        if text.len() + END.len() > size {
            text.truncate(before);
            break;
        }
    }
    text.push_str(END);
    // White space is the only filler that is no value.
    text.extend(std::iter::repeat_n(' ', size.saturating_sub(text.len())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_json_of_the_size_asked_for_and_sources_differ() {
        for size in [64, 10 << 10, 1_000_000] {
            let text = document(1, size);
            assert_eq!(text.len(), size);
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let offers = value["offers"].as_array().expect("a list").len();
            assert!(offers * 200 >= size.saturating_sub(400), "{offers} offers in {size} bytes");
        }
        assert_ne!(document(1, 4096), document(2, 4096));
    }

    #[test]
    fn documents_that_are_kept_are_bounded() {
        let echoes = Echoes::default();
        for size in 0..2 * MOST_KEPT {
            assert_eq!(echoes.document(1, 1, 100 + size).len(), 100 + size);
        }
        assert_eq!(echoes.documents.lock().len(), MOST_KEPT);
    }
}
