//! The application: which path answers what, to whom.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;
use turnout_history::{History, Question, Unanswered, Window};
use turnout_http::{App, Request, Response};

use crate::access::Access;
use crate::answers::{JSON, TEXT, TOO_OFTEN, Wrong, file, full, not_allowed, wrong};
use crate::api;
use crate::assets;
use crate::exports;
use crate::failures::Failures;
use crate::guard::{Names, Stranger};
use crate::login::login;
use crate::metrics::{KIND, metrics};
use crate::store::{Phase, Store};
use crate::stream::{MOST_STREAMS, PATIENCE, stream};

/// Windows that several readers ask for are computed once a second; so many are remembered.
const MOST_WINDOWS: usize = 8;

/// What takes the token, with all that lies below the last.
const GUARDED: [&str; 9] = [
    "/api/v1/compare",
    "/api/v1/findings",
    "/api/v1/history",
    "/api/v1/now",
    "/api/v1/slow",
    "/api/v1/stacks",
    "/api/v1/stream",
    "/api/v1/view",
    "/metrics",
];
const BELOW: &str = "/api/v1/slow/";

const NO_TOKEN: Wrong = Wrong::new(
    StatusCode::UNAUTHORIZED,
    "no token, or a wrong one",
    "send it as Authorization: Bearer TOKEN, or log in with a browser at /",
);
const NO_VIEW: Wrong = Wrong::new(
    StatusCode::NOT_FOUND,
    "no view of that name has answered a request since the server started",
    "/api/v1/now names those that have",
);
const NO_HISTORY: Wrong = Wrong::new(
    StatusCode::NOT_FOUND,
    "no history is kept",
    "start the server with --history PATH; /api/v1/now and /api/v1/view have the last 15 minutes",
);
const TOO_MUCH: Wrong =
    Wrong::new(StatusCode::BAD_REQUEST, "that is more than is read at once", "ask for less time, or for one view");
const UNREADABLE: Wrong = Wrong::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the history cannot be read at this moment",
    "the server's log says why, if it cannot be written either",
);
const BUSY: Wrong = Wrong::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the history's disk is slow, or too many ask at once",
    "ask again in a few seconds",
);
const NO_REQUEST: Wrong = Wrong::new(
    StatusCode::NOT_FOUND,
    "no request of that id is kept",
    "slower ones have taken its place, or the server has started again; /api/v1/slow names those that are kept",
);
const NOTHING: Wrong = Wrong::new(StatusCode::NOT_FOUND, "there is nothing of that name", "the page is at /");
const FOREIGN_HOST: Wrong = Wrong::new(
    StatusCode::FORBIDDEN,
    "the Host of this request is no name of this socket",
    "ask it by the address that --admin gives, by localhost, or by a name that --admin-host gives",
);
const FOREIGN_ORIGIN: Wrong = Wrong::new(
    StatusCode::FORBIDDEN,
    "the Origin of this request is another site",
    "open the page by the name by which the socket is asked",
);

/// Shared by the connections and the streams.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) access: Arc<Access>,
    pub(crate) failures: Failures,
    pub(crate) names: Names,
    /// Counts the seconds.
    pub(crate) ticks: watch::Receiver<u64>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) version: String,
    pub(crate) windows: Mutex<Windows>,
    /// What was kept of earlier times, if anything is.
    pub(crate) history: Option<Arc<History>>,
}

/// Answers of one second, by the window they are of.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    tick: u64,
    known: Vec<(u32, Bytes)>,
}

/// [`Admin`] as an application.
pub(crate) struct Serving(pub(crate) Arc<Admin>);

impl App for Serving {
    async fn call(&self, request: Request) -> Response {
        self.0.answer(&request).await
    }
}

/// What is told, as JSON.
fn json(told: &impl Serialize) -> Response {
    full(StatusCode::OK, JSON, serde_json::to_vec(told).expect("numbers and text"))
}

impl Admin {
    async fn answer(self: &Arc<Self>, request: &Request) -> Response {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        let path = request.target.path();
        // Asked by probes under whatever name they know. They say nothing that a stranger could use.
        match path {
            "/healthz" => return full(StatusCode::OK, TEXT, "alive\n"),
            "/readyz" => return self.ready(),
            _ => {}
        }
        match self.names.admit(&request.headers, &request.connection) {
            Ok(()) => {}
            Err(Stranger::Host) => return wrong(FOREIGN_HOST),
            Err(Stranger::Origin) => return wrong(FOREIGN_ORIGIN),
        }
        match path {
            "/login" => return login(request, &self.access, &self.failures).await,
            "/metrics" if !self.access.guards_metrics() => return self.metrics(),
            _ => {}
        }
        // The page's own files: without the figures they are the same for everybody.
        if let Some(file) = assets::find(path) {
            return file;
        }
        if !GUARDED.contains(&path) && !path.starts_with(BELOW) {
            return wrong(NOTHING);
        }
        if let Err(refused) = self.admit(&request.headers).await {
            return wrong(refused);
        }
        self.guarded(path, request).await.unwrap_or_else(wrong)
    }

    /// Whether the request carries a session or the token.
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Wrong> {
        if self.access.has_session(headers) {
            return Ok(());
        }
        // Who has none did not guess.
        let given = Access::bearer(headers).ok_or(NO_TOKEN)?;
        let late = self.failures.delay().await;
        if self.access.is_token(given) {
            return Ok(());
        }
        self.failures.count();
        Err(if late { TOO_OFTEN } else { NO_TOKEN })
    }

    fn ready(&self) -> Response {
        let store = self.store.lock();
        let (status, word) = match store.phase {
            Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            Phase::Serving if store.is_ready() => (StatusCode::OK, "ready\n"),
            Phase::Serving => (StatusCode::SERVICE_UNAVAILABLE, "no worker\n"),
        };
        full(status, TEXT, word)
    }

    fn metrics(&self) -> Response {
        let text = metrics(&self.store.lock(), &self.version, self.open_streams());
        full(StatusCode::OK, KIND, text)
    }

    async fn guarded(self: &Arc<Self>, path: &str, request: &Request) -> Result<Response, Wrong> {
        let query = request.target.query();
        match path {
            "/metrics" => Ok(self.metrics()),
            "/api/v1/now" => Ok(full(StatusCode::OK, JSON, self.now(api::seconds(query, api::LIVE)?))),
            "/api/v1/view" => {
                let name = api::field(query, "name").unwrap_or_default();
                let view = api::view(&self.store.lock(), &name, api::seconds(query, api::WHOLE)?).ok_or(NO_VIEW)?;
                Ok(json(&view))
            }
            "/api/v1/history" => {
                let asked = api::Asked::new(query, self.at())?;
                let window = self.window(asked.question()).await?;
                Ok(json(&api::Past::new(asked.name.as_deref(), &window)))
            }
            "/api/v1/compare" => {
                let asked = api::Asked::new(query, self.at())?;
                let before = asked.before(query)?;
                let then = self.window(asked.earlier(before)).await?;
                // The past may be coarser than it was asked for: both are shown in the same steps.
                let now = self.window(Question { step: then.step, ..asked.question() }).await?;
                Ok(json(&api::Comparison::new(asked.name.as_deref(), before, &now, &then)))
            }
            "/api/v1/findings" => {
                let found = api::findings(&self.store.lock(), api::field(query, "view").as_deref());
                Ok(full(StatusCode::OK, JSON, serde_json::to_vec(&found).expect("numbers and text")))
            }
            "/api/v1/stream" => stream(self, &request.method, api::seconds(query, api::LIVE)?),
            "/api/v1/slow" => {
                let store = self.store.lock();
                let view = named(&store, query)?;
                Ok(json(&api::list(&store, view)))
            }
            "/api/v1/stacks" => {
                let seconds = api::seconds(query, api::WHOLE)?;
                let store = self.store.lock();
                let view = named(&store, query)?;
                Ok(full(StatusCode::OK, TEXT, exports::stacks(&store, view, seconds)))
            }
            _ => self.slow(path.strip_prefix(BELOW).ok_or(NOTHING)?),
        }
    }

    /// `ID` and `ID/trace`.
    fn slow(&self, path: &str) -> Result<Response, Wrong> {
        let (id, as_trace) = match path.strip_suffix("/trace") {
            Some(id) => (id, true),
            None => (path, false),
        };
        let store = self.store.lock();
        let wanted = api::id(id).ok_or(NO_REQUEST)?;
        let (slow, gone) = store.slow().find(|(slow, _)| slow.id == wanted).ok_or(NO_REQUEST)?;
        if !as_trace {
            return Ok(json(&api::one(&store, slow, gone)));
        }
        let trace = exports::trace(slow, store.name(slow.view), &self.version);
        Ok(file(&format!("turnout-{id}.json"), JSON, serde_json::to_vec(&trace).expect("numbers and text")))
    }

    /// The live table of that window, as it was when the last second ended: the same bytes for everybody who asks in this second.
    pub(crate) fn now(&self, seconds: u32) -> Bytes {
        let tick = *self.ticks.borrow();
        let mut windows = self.windows.lock();
        if windows.tick != tick {
            *windows = Windows { tick, known: Vec::new() };
        }
        if let Some((_, bytes)) = windows.known.iter().find(|(known, _)| *known == seconds) {
            return bytes.clone();
        }
        let now = api::now(&self.store.lock(), seconds);
        let bytes = Bytes::from(serde_json::to_vec(&now).expect("numbers and text"));
        if windows.known.len() < MOST_WINDOWS {
            windows.known.push((seconds, bytes.clone()));
        }
        bytes
    }

    /// Reads a window of the past. The disk is waited for on another thread, and not for ever.
    async fn window(&self, question: Question) -> Result<Window, Wrong> {
        let history = self.history.as_ref().ok_or(NO_HISTORY)?;
        let (send, answer) = oneshot::channel();
        history.ask(question, move |answer| {
            // Who asked may have gone.
            let _ = send.send(answer);
        });
        match timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(window))) => Ok(window),
            Ok(Ok(Err(Unanswered::TooMuch))) => Err(TOO_MUCH),
            Ok(Ok(Err(Unanswered::Unreadable)) | Err(_)) => Err(UNREADABLE),
            Ok(Ok(Err(Unanswered::Busy))) | Err(_) => Err(BUSY),
        }
    }

    /// When the last second ended, in seconds since 1970.
    fn at(&self) -> f64 {
        self.store.lock().at
    }

    fn open_streams(&self) -> usize {
        MOST_STREAMS - self.streams.available_permits()
    }
}

/// The place of the view that a query names; `None`: it names none.
fn named(store: &Store, query: Option<&str>) -> Result<Option<u16>, Wrong> {
    let Some(name) = api::field(query, "view") else { return Ok(None) };
    store.place(&name).map(Some).ok_or(NO_VIEW)
}
