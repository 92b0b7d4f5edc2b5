//! The sync track: middleware, view and closing in one go on one thread of the pool.

use std::sync::Arc;

use pyo3::prelude::*;
use turnout_http::Collected;

use super::call::{DjangoApp, Prepared};
use super::response;
use super::stream::Stream;
use crate::http::HttpIncoming;
use crate::interface::answer::Answer;
use crate::interface::head::Head;
use crate::interface::{busy, log_failure};
use crate::pool::{Job, View};
use crate::states::Keeping;

pub(super) struct SyncJob {
    pub(super) app: Arc<DjangoApp>,
    pub(super) request: Prepared,
}

impl Job for SyncJob {
    fn view(&self) -> View {
        self.request.view
    }

    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.request.call.keeping.clone()
    }

    fn run(self: Box<Self>, py: Python<'_>) {
        let Self { app, request: Prepared { head, body, sender, call, .. } } = *self;
        let mut answer = Answer::new(app.event_loop.clone(), call.clone(), sender).of_pool(&app.pool);
        let failed = |error: &PyErr| {
            log_failure(py, error, "Exception while serving", &head.method, head.target.path());
        };
        match respond(py, &app, &head, body, &mut answer) {
            Ok(Responded::Streams { response, guest }) => {
                let (method, path) = (head.method, head.target.path().to_owned());
                return Stream { app, answer, guest: guest.unbind(), method, path }.begin(py, &response);
            }
            Ok(Responded::Whole(response, sent)) => {
                if let Err(error) = sent {
                    answer.abort();
                    if !answer.is_disconnected() {
                        failed(&error);
                    }
                }
                // After the last byte was handed over, on the same thread, whatever happened: request_finished, connections, caches.
                if let Err(error) = app.methods.finish_sync.bind(py).call1((response,)) {
                    failed(&error);
                }
            }
            Err(error) => failed(&error),
        }
        drop(answer);
        app.event_loop.forget(&call);
    }

    fn expire(self: Box<Self>) {
        self.request.call.expired();
        let _ = self.request.sender.send(busy());
    }

    fn is_abandoned(&self) -> bool {
        self.request.call.is_abandoned(&self.request.head.method)
    }
}

enum Responded<'py> {
    /// Sent, or not.
    Whole(Bound<'py, PyAny>, PyResult<()>),
    Streams {
        response: Bound<'py, PyAny>,
        guest: Bound<'py, PyAny>,
    },
}

fn respond<'py>(
    py: Python<'py>,
    app: &DjangoApp,
    head: &Head,
    body: Collected,
    answer: &mut Answer,
) -> PyResult<Responded<'py>> {
    let incoming = HttpIncoming::of(py, &answer.call)?;
    let waits = app.methods.waits.bind(py).call1((py.None(), incoming))?;
    app.event_loop.keep_waits(&answer.call, waits.clone().unbind());
    let (dict, file) = app.arguments(py, head, body)?;
    let response = app.methods.serve_sync.bind(py).call1((dict, file, waits))?;
    Ok(match response::is_streaming(&response) {
        Ok(false) => {
            let sent = send(&response, answer);
            Responded::Whole(response, sent)
        }
        Ok(true) => match app.methods.begin_stream.bind(py).call1((&response,)) {
            Ok(guest) => Responded::Streams { response, guest },
            Err(error) => Responded::Whole(response, Err(error)),
        },
        Err(error) => Responded::Whole(response, Err(error)),
    })
}

fn send(response: &Bound<'_, PyAny>, answer: &mut Answer) -> PyResult<()> {
    let (status, headers) = response::head(response)?;
    answer.respond(status, headers, response::content(response)?)
}
