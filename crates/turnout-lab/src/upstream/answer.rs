//! From a request to an answer, after the wait it is due.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use super::draw::{fraction, of_text};
use super::echo::Echoes;
use super::offers::offers;
use super::rate::Bucket;
use super::{Config, Profile, Stats};
use crate::timer::{Moment, Timer};

/// The header that says how long an answer was really held back, in milliseconds.
pub const WAITED: HeaderName = HeaderName::from_static("x-waited-ms");

/// When the request's head was read: nanoseconds of the monotonic clock, which all processes of a machine share.
pub const READ_AT: HeaderName = HeaderName::from_static("x-read-at");

/// When the answer was ready to be written, on the same clock.
pub const WRITTEN_AT: HeaderName = HeaderName::from_static("x-written-at");

/// A hotel stay of more nights is a mistake.
const LONGEST_STAY: u32 = 60;

/// Everything an answer depends on.
pub(super) struct World {
    pub(super) seed: u64,
    upstreams: Vec<Upstream>,
    pub(super) stats: Arc<Stats>,
    pub(super) timer: Timer,
    pub(super) echoes: Echoes,
}

struct Upstream {
    profile: Profile,
    bucket: Option<Bucket>,
    calls: AtomicU64,
}

pub(super) type Answer = Response<Full<Bytes>>;

impl World {
    pub(super) fn new(config: Config, stats: Arc<Stats>, timer: Timer) -> Self {
        let upstream =
            |profile: Profile| Upstream { bucket: profile.rate.map(Bucket::new), profile, calls: AtomicU64::new(0) };
        Self {
            seed: config.seed,
            upstreams: config.profiles.into_iter().map(upstream).collect(),
            stats,
            timer,
            echoes: Echoes::default(),
        }
    }

    pub(super) async fn answer<B>(&self, request: Request<B>) -> Result<Answer, Infallible> {
        let uri = request.uri();
        let query = Query(uri.query().unwrap_or(""));
        let mut segments = uri.path().trim_matches('/').split('/');
        Ok(match (segments.next().unwrap_or(""), segments.next(), segments.next()) {
            ("", None, None) => self.echo(query.get("ms").as_deref(), &query).await,
            ("wait", Some(ms), None) => self.echo(Some(ms), &query).await,
            ("upstreams", None, None) => json_answer(StatusCode::OK, &self.profiles()),
            ("stats", None, None) => json_answer(StatusCode::OK, &self.stats.snapshot()),
            ("stats", Some("reset"), None) if request.method() == Method::POST => {
                self.stats.reset();
                json_answer(StatusCode::OK, &self.stats.snapshot())
            }
            (name, Some("offers"), None) => match self.upstreams.iter().position(|known| known.profile.name == name) {
                Some(index) => self.offers(index, &query).await,
                None => refusal(StatusCode::NOT_FOUND, "no such upstream"),
            },
            _ => refusal(StatusCode::NOT_FOUND, "no such path"),
        })
    }

    fn profiles(&self) -> Vec<&Profile> {
        self.upstreams.iter().map(|upstream| &upstream.profile).collect()
    }

    /// One call of one upstream.
    async fn offers(&self, index: usize, query: &Query<'_>) -> Answer {
        let _call = self.stats.call(Some(index));
        let start = Moment::now();
        let upstream = &self.upstreams[index];
        let city = query.get("city").unwrap_or_default();
        let nights = query.get("nights").map_or(Ok(1), |nights| nights.parse()).unwrap_or(0);
        if city.is_empty() || !(1..=LONGEST_STAY).contains(&nights) {
            return refusal(StatusCode::BAD_REQUEST, "city and nights (1 to 60), please");
        }
        if let Some(Err(wait)) = upstream.bucket.as_ref().map(|bucket| bucket.take(Instant::now())) {
            let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "too many calls");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            return answer;
        }
        let seed = self.seed ^ of_text(upstream.profile.name);
        let call = upstream.calls.fetch_add(1, Relaxed);
        self.wait(start, upstream.profile.delay(fraction(seed, 2 * call))).await;
        let mut answer = if fraction(seed, 2 * call + 1) < upstream.profile.failures {
            refusal(StatusCode::SERVICE_UNAVAILABLE, "out of order for a moment")
        } else {
            json_answer(StatusCode::OK, &offers(self.seed, upstream.profile.name, &city, nights))
        };
        stamp(&mut answer, start);
        answer
    }

    pub(super) async fn wait(&self, start: Moment, delay: Duration) {
        // It can fail only where the descriptor does; then the driver ends the server, and this answer with it.
        let _ = self.timer.sleep_until(start.after(delay)).await;
    }
}

/// The part of a URL behind `?`.
pub(super) struct Query<'a>(&'a str);

impl Query<'_> {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = self.0.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }
}

/// Says in the answer what it took, so that a measurement can tell the upstream's time from that of whoever asked.
pub(super) fn stamp(answer: &mut Answer, read: Moment) {
    let written = Moment::now();
    let waited = format!("{:.3}", written.since(read).as_secs_f64() * 1000.0);
    let headers = answer.headers_mut();
    headers.insert(WAITED, HeaderValue::try_from(waited).expect("digits and a point"));
    headers.insert(READ_AT, HeaderValue::from(read.nanos()));
    headers.insert(WRITTEN_AT, HeaderValue::from(written.nanos()));
}

pub(super) fn refusal(status: StatusCode, why: &str) -> Answer {
    json_answer(status, &json!({ "error": why }))
}

fn json_answer(status: StatusCode, value: &impl Serialize) -> Answer {
    answer(status, serde_json::to_vec(value).expect("plain data with text keys").into())
}

pub(super) fn answer(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
