//! From a request to its track.

use std::borrow::Cow;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyDict;
use tokio::sync::oneshot;
use turnout_http::{Collected, Request, Response};

use super::exchange::Exchange;
use super::meta::{self, Cookies};
use super::stream::Parked;
use super::sync::SyncJob;
use crate::interface::answer::Answer;
use crate::interface::asgi::scope;
use crate::interface::calls::{Call, Guard, Loop};
use crate::interface::head::Head;
use crate::interface::wsgi::environ::{self, Facts};
use crate::interface::{IN_MEMORY, Root, body, internal_error, log_failure, not_below};
use crate::pool::{Pool, View};
use crate::reactor::Deliver;
use crate::routes::{Route, RouteTable, Routes, Track};
use crate::states::Keeping;

/// A Django project.
pub(crate) struct DjangoApp {
    pub(super) event_loop: Arc<Loop>,
    pub(super) pool: Arc<Pool>,
    pub(super) methods: Methods,
    /// Streamed answers that hold no thread now.
    pub(super) parked: Parked,
    routes: Arc<Routes>,
    request_class: RequestClass,
    /// Build `request.META` as well, joining cookies like this.
    meta: Option<Cookies>,
    in_memory: usize,
    facts: Facts,
    root: Option<Arc<Root>>,
    /// What Django takes off paths instead (FORCE_SCRIPT_NAME, in requests made from scopes).
    forced: Option<String>,
}

/// The bound methods of `DjangoHandler`, looked up once.
pub(super) struct Methods {
    pub(super) serve_sync: Py<PyAny>,
    pub(super) finish_sync: Py<PyAny>,
    /// `turnout.django.leaving.Waits`.
    pub(super) waits: Py<PyAny>,
    serve_async: Py<PyAny>,
    /// `turnout.django.streaming.begin`.
    pub(super) begin_stream: Py<PyAny>,
    pub(super) stream_async: Py<PyAny>,
    decide: Py<PyAny>,
}

/// One per deployment: the project's entry point decides (DESIGN section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestClass {
    Asgi,
    Wsgi,
}

/// A request ready for Python: its body is complete.
pub(super) struct Prepared {
    pub(super) head: Head,
    pub(super) body: Collected,
    pub(super) sender: oneshot::Sender<Response>,
    pub(super) call: Arc<Call>,
    pub(super) view: View,
}

impl DjangoApp {
    pub(crate) fn new(
        handler: &Bound<'_, PyAny>,
        event_loop: Arc<Loop>,
        pool: Arc<Pool>,
        facts: Facts,
        root: Option<Arc<Root>>,
    ) -> PyResult<Arc<Self>> {
        let method = |name: &str| PyResult::Ok(handler.getattr(name)?.unbind());
        let methods = Methods {
            serve_sync: method("serve_sync")?,
            finish_sync: method("finish_sync")?,
            waits: handler.py().import("turnout.django.leaving")?.getattr("Waits")?.unbind(),
            serve_async: method("serve_async")?,
            begin_stream: method("begin_stream")?,
            stream_async: method("stream_async")?,
            decide: method("decide")?,
        };
        let table: Vec<(Option<String>, u8)> = handler.call_method0("routes")?.extract()?;
        let table: PyResult<Vec<_>> =
            table.into_iter().map(|(pattern, track)| Ok((pattern, Track::from_number(track)?))).collect();
        let request_class = match handler.getattr("request_kind")?.extract::<String>()?.as_str() {
            "asgi" => RequestClass::Asgi,
            "wsgi" => RequestClass::Wsgi,
            other => return Err(PyValueError::new_err(format!("no request class is called {other:?}"))),
        };
        let meta: Option<String> = match handler.getattr_opt("meta_cookies")? {
            Some(separator) => separator.extract()?,
            None => None,
        };
        let meta = Cookies::parse(meta.as_deref())?.filter(|_| request_class == RequestClass::Asgi);
        let in_memory = match handler.getattr_opt("body_in_memory")? {
            Some(bytes) => bytes.extract()?,
            None => IN_MEMORY,
        };
        let forced = match handler.getattr_opt("forced_script_name")? {
            Some(name) => name.extract()?,
            None => None,
        };
        let routes = Arc::new(Routes::new(table?));
        let told = Bound::new(handler.py(), RouteTable(routes.clone()))?;
        handler.call_method1("routes_are_in", (told,))?;
        Ok(Arc::new(Self {
            event_loop,
            pool,
            methods,
            parked: Parked::default(),
            routes,
            request_class,
            meta,
            in_memory,
            facts,
            root,
            forced,
        }))
    }

    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let came = [request.began, request.received];
        let Some((head, body)) = Head::split(request, self.root.as_ref()) else { return not_below() };
        // A request takes a thread, or a turn of the loop, only when its body is complete.
        let waits = !body.is_end();
        let body = if waits { body.collect(self.in_memory).await } else { Ok(body::empty()) };
        let body = match body {
            Ok(body) => body,
            Err(error) => return body::refusal(&error),
        };
        let (sender, receiver) = oneshot::channel();
        let call = self.event_loop.new_call(&head.headers, came);
        call.received(waits);
        let guard = Guard::new(self.event_loop.clone(), call.clone());
        let route = self.route(&head);
        let view = route.map_or(View::NOWHERE, |route| route.view);
        let request = Prepared { head, body, sender, call, view };
        match route.map(|route| route.track) {
            Some(Track::Sync) => self.run_sync(request),
            Some(Track::Async) => {
                self.event_loop.reactor.deliver(Box::new(Start { app: self.clone(), request, decided: true }));
            }
            None => self.event_loop.reactor.deliver(Box::new(Start { app: self.clone(), request, decided: false })),
        }
        let response = receiver.await;
        guard.disarm();
        response.unwrap_or_else(|_| internal_error())
    }

    fn route(&self, head: &Head) -> Option<Route> {
        // Not UTF-8: Django has its own rules for it, so Django decides.
        std::str::from_utf8(&self.routed(head)).ok().and_then(|path| self.routes.decide(path, head.host()))
    }

    /// The path that the URLconf gets to see.
    fn routed<'a>(&self, head: &'a Head) -> Cow<'a, [u8]> {
        let Some(forced) = &self.forced else { return head.path_info() };
        let path = head.path();
        match path.strip_prefix(forced.as_bytes()) {
            Some(below) => below.to_owned().into(),
            None => path,
        }
    }

    fn run_sync(self: &Arc<Self>, request: Prepared) {
        self.pool.push(Box::new(SyncJob { app: self.clone(), request }));
    }

    /// `scope` or `environ`, and the body as a file.
    pub(super) fn arguments<'py>(
        &self,
        py: Python<'py>,
        head: &Head,
        body: Collected,
    ) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyAny>)> {
        let length = body::length(&body);
        let file = body::to_file(py, body)?;
        let dict = match self.request_class {
            RequestClass::Asgi => {
                let scope = scope::build(py, head, Some(length))?;
                if let Some(cookies) = self.meta {
                    let path = scope.as_any().get_item(intern!(py, "path"))?;
                    scope.set_item(intern!(py, "_turnout.meta"), meta::build(py, head, &path, length, cookies)?)?;
                }
                scope
            }
            RequestClass::Wsgi => environ::build(py, head, file.clone(), length, self.facts)?,
        };
        Ok((dict, file))
    }
}

/// To the loop thread: run it there, or first find out its track.
struct Start {
    app: Arc<DjangoApp>,
    request: Prepared,
    decided: bool,
}

impl Start {
    fn decide(&self, py: Python<'_>) -> PyResult<Route> {
        let head = &self.request.head;
        let path = String::from_utf8_lossy(&self.app.routed(head)).into_owned();
        let decision = self.app.methods.decide.bind(py).call1((&path, head.host()))?;
        let (track, may_learn, name): (u8, bool, PyBackedStr) = decision.extract()?;
        let route = Route::named(Track::from_number(track)?, &name);
        if may_learn {
            self.app.routes.learn(&path, head.host(), route);
        }
        Ok(route)
    }

    fn run(mut self, py: Python<'_>) -> PyResult<()> {
        if !self.decided {
            let route = self.decide(py)?;
            if route.track == Track::Sync {
                self.request.view = route.view;
                self.app.run_sync(self.request);
                return Ok(());
            }
        }
        let Self { app, request: Prepared { head, body, sender, call, .. }, .. } = self;
        let answer = Answer::new(app.event_loop.clone(), call.clone(), sender);
        let (dict, file) = app.arguments(py, &head, body)?;
        let exchange = Bound::new(py, Exchange::new(answer))?;
        let coroutine = app.methods.serve_async.bind(py).call1((dict, file, exchange))?;
        app.event_loop.start(py, &call, &coroutine, None)
    }
}

impl Deliver for Start {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.request.call.keeping.clone()
    }

    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let (method, path) = (self.request.head.method.clone(), self.request.head.target.path().to_owned());
        if let Err(error) = self.run(py) {
            log_failure(py, &error, "The request could not be started", &method, &path);
        }
        Ok(())
    }
}
