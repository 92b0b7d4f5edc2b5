//! An upstream that answers from a script instead of the network, and calls to it. Time is tokio's, and paused.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use turnout_client::policy::{Policy, Terms};
use turnout_client::{
    Answer, AnswerBody, Body, Call, Client, Error, Head, Kind, Limits, Options, Scope, Snapshot, Transport, send,
};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What the upstream does with one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    after: Duration,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: &'static str },
    Fail { kind: Kind, sent: bool },
    Hang,
}

pub(crate) fn answer(status: u16) -> Step {
    Step { after: Duration::ZERO, what: What::Answer { status, headers: Vec::new(), body: "" } }
}

pub(crate) fn fail(kind: Kind) -> Step {
    Step { after: Duration::ZERO, what: What::Fail { kind, sent: true } }
}

pub(crate) fn unsent(kind: Kind) -> Step {
    Step { after: Duration::ZERO, what: What::Fail { kind, sent: false } }
}

pub(crate) fn hang() -> Step {
    Step { after: Duration::ZERO, what: What::Hang }
}

impl Step {
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        if let What::Answer { headers, .. } = &mut self.what {
            headers.push((name, value.to_string()));
        }
        self
    }

    pub(crate) fn saying(mut self, text: &'static str) -> Self {
        if let What::Answer { body, .. } = &mut self.what {
            *body = text;
        }
        self
    }
}

/// An attempt that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) call: Arc<Call>,
}

type Rule = Box<dyn Fn(usize, &Call) -> Step + Send + Sync>;

/// The upstream.
pub(crate) struct Upstream {
    began: Instant,
    rule: Rule,
    seen: Mutex<Vec<Seen>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
    finished: AtomicUsize,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Upstream")
    }
}

/// Answers the n-th attempt (from 0) as the rule says.
pub(crate) fn upstream(rule: impl Fn(usize, &Call) -> Step + Send + Sync + 'static) -> Arc<Upstream> {
    Arc::new(Upstream {
        began: Instant::now(),
        rule: Box::new(rule),
        seen: Mutex::default(),
        under_way: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        finished: AtomicUsize::new(0),
    })
}

/// One step for each attempt; the last for all that follow.
pub(crate) fn script(steps: impl IntoIterator<Item = Step>) -> Arc<Upstream> {
    let steps: VecDeque<Step> = steps.into_iter().collect();
    upstream(move |number, _| steps[number.min(steps.len() - 1)].clone())
}

impl Upstream {
    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().len()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// When the attempts came, in milliseconds.
    pub(crate) fn times(&self) -> Vec<u128> {
        self.seen.lock().iter().map(|seen| seen.at.as_millis()).collect()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(SeqCst)
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most.load(SeqCst)
    }

    /// Attempts that were not given up.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(SeqCst)
    }

    /// Shows this to calls as their network.
    pub(crate) fn options(self: &Arc<Self>) -> Options {
        Options {
            transport: Some(Arc::new(Line(Arc::clone(self)))),
            upstream: Some("vendor".into()),
            ..Options::default()
        }
    }

    pub(crate) fn options_with(self: &Arc<Self>, terms: Terms) -> Options {
        Options { policy: Some(policy(terms)), ..self.options() }
    }
}

pub(crate) fn policy(terms: Terms) -> Arc<Policy> {
    Arc::new(Policy::new(terms).expect("terms that make sense"))
}

#[derive(Debug)]
struct Line(Arc<Upstream>);

struct UnderWay(Arc<Upstream>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

impl Transport for Line {
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        let upstream = Arc::clone(&self.0);
        Box::pin(async move {
            let now = upstream.under_way.fetch_add(1, SeqCst) + 1;
            upstream.most.fetch_max(now, SeqCst);
            let _under_way = UnderWay(Arc::clone(&upstream));
            let number = {
                let mut seen = upstream.seen.lock();
                seen.push(Seen { at: upstream.began.elapsed(), call: Arc::clone(&call) });
                seen.len() - 1
            };
            let Step { after, what } = (upstream.rule)(number, &call);
            sleep(after).await;
            let outcome = match what {
                What::Hang => std::future::pending().await,
                What::Fail { kind, sent } => {
                    let error = Error::new(kind, format!("scripted {kind:?}"));
                    Err(if sent { error.after_sending() } else { error })
                }
                What::Answer { status, headers, body } => Ok(made(&call, status, headers, body)),
            };
            upstream.finished.fetch_add(1, SeqCst);
            outcome
        })
    }
}

pub(crate) fn answered(call: &Call, status: u16) -> Answer {
    made(call, status, Vec::new(), "")
}

fn made(call: &Call, status: u16, fields: Vec<(&'static str, String)>, body: &'static str) -> Answer {
    let mut headers = http::HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value.parse().expect("a field's value"));
    }
    let status = http::StatusCode::from_u16(status).expect("a status");
    let head = Head { url: call.url.clone(), status, headers, version: http::Version::HTTP_11 };
    Answer::new(head, AnswerBody::Whole(body.into()))
}

/// A call in the making.
pub(crate) struct Draft {
    call: Call,
}

pub(crate) fn get(options: Options) -> Draft {
    Draft::new("GET", options)
}

pub(crate) fn post(options: Options) -> Draft {
    Draft::new("POST", options)
}

impl Draft {
    pub(crate) fn new(method: &str, options: Options) -> Self {
        let method: http::Method = method.parse().expect("a method");
        let idempotent = method.is_idempotent();
        let url = url::Url::parse("http://vendor.example/rates").expect("a URL");
        let headers = http::HeaderMap::new();
        Self {
            call: Call {
                method,
                url,
                headers,
                body: Body::Empty,
                idempotent,
                stream: false,
                options: Arc::new(options),
            },
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.call.headers.append(name, value.parse().expect("a field's value"));
        self
    }

    pub(crate) fn to(mut self, url: &str) -> Self {
        self.call.url = url::Url::parse(url).expect("a URL");
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.call.body = body;
        self
    }

    pub(crate) fn idempotent(mut self) -> Self {
        self.call.idempotent = true;
        self
    }

    pub(crate) fn streamed(mut self) -> Self {
        self.call.stream = true;
        self
    }

    pub(crate) fn within(mut self, total: Duration) -> Self {
        let mut options = (*self.call.options).clone();
        options.timeouts.total = Some(total);
        self.call.options = Arc::new(options);
        self
    }

    pub(crate) fn attempt_within(mut self, attempt: Duration) -> Self {
        let mut options = (*self.call.options).clone();
        options.timeouts.attempt = Some(attempt);
        self.call.options = Arc::new(options);
        self
    }

    pub(crate) fn call(self) -> Arc<Call> {
        Arc::new(self.call)
    }
}

pub(crate) fn client() -> Client {
    Client::new(Limits::default())
}

/// Outcomes as tests speak of them.
pub(crate) trait Plainly {
    fn status(&self) -> u16;
    fn text(&self) -> String;
    fn kind(&self) -> Kind;
}

impl Plainly for Result<Answer, Error> {
    fn status(&self) -> u16 {
        self.as_ref().expect("an answer").head.status.as_u16()
    }

    fn text(&self) -> String {
        match &self.as_ref().expect("an answer").body {
            AnswerBody::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            AnswerBody::Stream(_) => panic!("a stream"),
        }
    }

    fn kind(&self) -> Kind {
        self.as_ref().expect_err("an error").kind()
    }
}

pub(crate) async fn sent(client: &Client, call: &Arc<Call>) -> Result<Answer, Error> {
    send(client, Arc::clone(call), &Scope::default()).await
}

/// The counters of the one upstream.
pub(crate) fn stats(client: &Client) -> Snapshot {
    client.stats().into_iter().find(|snapshot| &*snapshot.upstream == "vendor").expect("it was called")
}

/// Sends it in a task.
pub(crate) fn sending(client: &Client, call: &Arc<Call>) -> tokio::task::JoinHandle<Result<Answer, Error>> {
    let (client, call) = (client.clone(), Arc::clone(call));
    tokio::spawn(async move { sent(&client, &call).await })
}

/// Lets all tasks run that can, without time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
