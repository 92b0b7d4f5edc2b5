//! What is kept, found and forgotten. Decides by the crate's rules and the terms; makes no calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AGE, AUTHORIZATION, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, PRAGMA, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_cache_semantics::{AfterResponse, BeforeRequest, CacheOptions, CachePolicy};
use tokio::time::Instant;
use url::Position;

use super::super::key::{Key, User};
use super::super::terms::Cache;
use super::{Outcome, directives, from_cache};
use crate::answer::{Answer, AnswerBody, Head};
use crate::call::{Body, Call};

/// Answers kept for one URL, by user and what `Vary` names; the oldest goes first.
const MOST_VARIANTS: usize = 32;
/// An answer larger than this part of the cache would drive out too much.
const LARGEST_PART: u64 = 4;
/// What an answer costs beside its bytes.
const OVERHEAD: usize = 1024;
/// Fields of a "not modified" that do not speak of the answer that is kept (RFC 9111, 3.2, and those of one connection).
const NOT_RENEWED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

type Variants = Arc<Vec<Arc<Kept>>>;

/// All that is kept.
pub(in super::super) struct Store {
    pub(super) terms: Cache,
    kept: moka::sync::Cache<Key, Variants>,
    /// One moment on both clocks: ages are taken from the one that is never set.
    began: (SystemTime, Instant),
}

/// One answer.
pub(super) struct Kept {
    user: User,
    policy: CachePolicy,
    head: Head,
    body: Bytes,
    /// The age at which it is stale.
    lifetime: Duration,
    /// Somebody asks for a newer one in the background.
    is_refreshed: AtomicBool,
}

/// A call, as the cache sees it.
pub(super) struct Asked {
    key: Key,
    user: User,
    request: Request<()>,
    max_body: usize,
    /// Nothing may be sent.
    pub(super) only_if_cached: bool,
    /// Nothing may be given that the upstream has not confirmed.
    pub(super) insists: bool,
}

/// What is kept says this of a call.
pub(super) enum Found {
    Nothing,
    Fresh(Arc<Kept>),
    Stale(Arc<Kept>),
}

impl Store {
    pub(in super::super) fn new(terms: Cache) -> Self {
        let weigh = |key: &Key, variants: &Variants| {
            let bytes = key.len() + variants.iter().map(|kept| kept.weight()).sum::<usize>();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let kept = moka::sync::Cache::builder().max_capacity(terms.max_bytes).weigher(weigh).build();
        Self { terms, kept, began: (SystemTime::now(), Instant::now()) }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.began.0 + self.began.1.elapsed()
    }

    /// How long it has been stale.
    pub(super) fn stale_for(&self, kept: &Kept) -> Duration {
        kept.policy.age(self.now()).saturating_sub(kept.lifetime)
    }

    pub(super) fn find(&self, asked: &Asked) -> Found {
        let now = self.now();
        let mut stale = None;
        for kept in self.kept.get(&asked.key).iter().flat_map(|variants| variants.iter().rev()) {
            if kept.user != asked.user || kept.body.len() > asked.max_body {
                continue;
            }
            match kept.policy.before_request(&asked.request, now) {
                BeforeRequest::Fresh(_) => return Found::Fresh(Arc::clone(kept)),
                BeforeRequest::Stale { matches: true, .. } if stale.is_none() => stale = Some(Arc::clone(kept)),
                BeforeRequest::Stale { .. } => {}
            }
        }
        stale.map_or(Found::Nothing, Found::Stale)
    }

    /// Keeps an answer from the network, if it may be kept and is worth it.
    pub(super) fn keep(&self, asked: &Asked, outcome: &Outcome) {
        let Ok(answer) = outcome else { return };
        // Who shared an answer leaves it to who asked for it.
        if answer.coalesced || answer.from_cache || !answer.history.is_empty() {
            return;
        }
        let AnswerBody::Whole(body) = &answer.body else { return };
        let headers = &answer.head.headers;
        let differs_always = headers.get_all(VARY).into_iter().any(|names| names.as_bytes().contains(&b'*'));
        // What logs one user in would log in all.
        if differs_always || (self.terms.shared && headers.contains_key(SET_COOKIE)) {
            return;
        }
        let now = self.now();
        let options = CacheOptions { shared: self.terms.shared, ..CacheOptions::default() };
        let policy = CachePolicy::new_options(&asked.request, &response(&answer.head), now, options);
        if policy.is_storable() {
            self.put(asked, Kept::new(asked, policy, answer.head.clone(), body.clone(), now));
        }
    }

    /// After the upstream said "not modified". `None`: of something else than this.
    pub(super) fn renew(&self, asked: &Asked, kept: &Kept, confirmed: &Head) -> Option<Arc<Kept>> {
        let now = self.now();
        let after = kept.policy.after_response(&asked.request, &response(confirmed), now);
        let AfterResponse::NotModified(policy, _) = after else { return None };
        let mut head = kept.head.clone();
        for name in confirmed.headers.keys().filter(|name| !NOT_RENEWED.contains(&name.as_str())) {
            head.headers.remove(name);
            for value in confirmed.headers.get_all(name) {
                head.headers.append(name.clone(), value.clone());
            }
        }
        Some(self.put(asked, Kept::new(asked, policy, head, kept.body.clone(), now)))
    }

    /// What is kept of this call's URL, for whomever.
    pub(super) fn forget(&self, call: &Call) {
        self.kept.invalidate(&Key::of_target(call, &Method::GET));
    }

    fn put(&self, asked: &Asked, kept: Kept) -> Arc<Kept> {
        let kept = Arc::new(kept);
        let is_worth_it =
            !kept.lifetime.is_zero() || kept.has_validator() || self.terms.stale_if_error > Duration::ZERO;
        if !is_worth_it || kept.weight() as u64 > self.terms.max_bytes / LARGEST_PART {
            return kept;
        }
        let now = self.now();
        let replaces = |old: &Kept| {
            old.user == kept.user
                && !matches!(
                    old.policy.before_request(&asked.request, now),
                    BeforeRequest::Stale { matches: false, .. }
                )
        };
        self.kept.entry(asked.key.clone()).and_upsert_with(|found| {
            let old = found.map(moka::Entry::into_value).unwrap_or_default();
            let mut variants: Vec<_> = old.iter().filter(|old| !replaces(old)).map(Arc::clone).collect();
            if variants.len() >= MOST_VARIANTS {
                variants.remove(0);
            }
            variants.push(Arc::clone(&kept));
            Arc::new(variants)
        });
        kept
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Store({} bytes)", self.kept.weighted_size())
    }
}

impl Kept {
    fn new(asked: &Asked, policy: CachePolicy, head: Head, body: Bytes, now: SystemTime) -> Self {
        let lifetime = match policy.time_to_live(now) {
            // Stale from the beginning.
            Duration::ZERO => Duration::ZERO,
            left => left + policy.age(now),
        };
        let user = asked.user.clone();
        Self { user, policy, head, body, lifetime, is_refreshed: AtomicBool::new(false) }
    }

    pub(super) fn answer(&self, now: SystemTime, stale: bool) -> Answer {
        let mut head = self.head.clone();
        head.headers.insert(AGE, HeaderValue::from(self.policy.age(now).as_secs()));
        from_cache(head, self.body.clone(), stale)
    }

    /// May be given instead of a failure, being stale for so long (RFC 5861, 4).
    pub(super) fn may_stand_in(&self, stale_for: Duration, terms: &Cache) -> bool {
        let window = self.window("stale-if-error", terms.stale_if_error);
        !window.is_zero() && stale_for <= window
    }

    /// May be given while a newer one is fetched, being stale for so long (RFC 5861, 3).
    pub(super) fn may_be_refreshed_later(&self, stale_for: Duration, terms: &Cache) -> bool {
        let window = self.window("stale-while-revalidate", terms.stale_while_revalidate);
        !window.is_zero() && stale_for <= window
    }

    /// `None`: somebody does.
    pub(super) fn begin_refreshing(self: &Arc<Self>) -> Option<Refreshing> {
        (!self.is_refreshed.swap(true, Relaxed)).then(|| Refreshing(Arc::clone(self)))
    }

    /// How long after its end it may be used: as it says itself, or as the terms say where it does not forbid it.
    fn window(&self, name: &str, terms: Duration) -> Duration {
        let mut own = None;
        let mut is_shared_only = false;
        for (found, value) in directives(&self.head.headers) {
            match &*found {
                "must-revalidate" | "proxy-revalidate" | "no-cache" => return Duration::ZERO,
                // RFC 9111, 5.2.2.10, takes it for "proxy-revalidate" too; who writes both means both.
                "s-maxage" => is_shared_only = true,
                _ if found == name => own = value.and_then(|value| value.parse().ok()).map(Duration::from_secs),
                _ => {}
            }
        }
        own.unwrap_or(if is_shared_only { Duration::ZERO } else { terms })
    }

    fn has_validator(&self) -> bool {
        ["etag", "last-modified"].iter().any(|name| self.head.headers.contains_key(*name))
    }

    fn weight(&self) -> usize {
        let fields = |headers: &HeaderMap| {
            headers.iter().map(|(name, value): (&HeaderName, _)| name.as_str().len() + value.len()).sum::<usize>()
        };
        // Those of the answer are kept twice: the policy has its own.
        self.body.len() + 2 * fields(&self.head.headers) + self.user.len() + OVERHEAD
    }
}

/// Until it is dropped.
pub(super) struct Refreshing(Arc<Kept>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.is_refreshed.store(false, Relaxed);
    }
}

impl Asked {
    /// `None`: a URL that `http` does not take for one.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let uri: Uri = call.url[..Position::AfterQuery].parse().ok()?;
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        request.headers_mut().clone_from(&call.headers);
        // It will be shown when the call is sent; that there is one is what the rules of shared caches ask.
        if call.options.auth.is_some() && !call.headers.contains_key(AUTHORIZATION) {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("to be shown"));
        }
        let says = |wanted: &str| directives(&call.headers).any(|(name, _)| name == wanted);
        let pragma = call.headers.get(PRAGMA).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache"));
        let too_old = directives(&call.headers).any(|(name, age)| name == "max-age" && age == Some("0"));
        Some(Self {
            key: Key::of_target(call, &Method::GET),
            user: User::of(call),
            request,
            max_body: call.options.max_body,
            only_if_cached: says("only-if-cached"),
            insists: pragma || too_old || says("no-cache"),
        })
    }

    /// The call that asks whether this is still true. `None`: it cannot be asked.
    pub(super) fn conditional(&self, call: &Call, kept: &Kept, now: SystemTime) -> Option<Arc<Call>> {
        let BeforeRequest::Stale { request, .. } = kept.policy.before_request(&self.request, now) else { return None };
        let mut headers = call.headers.clone();
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            if let Some(value) = request.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        (headers.len() > call.headers.len()).then(|| {
            Arc::new(Call {
                method: call.method.clone(),
                url: call.url.clone(),
                headers,
                body: Body::Empty,
                idempotent: call.idempotent,
                stream: false,
                options: Arc::clone(&call.options),
            })
        })
    }
}

fn response(head: &Head) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    response.headers_mut().clone_from(&head.headers);
    response
}
