//! Making a connection. It belongs to the pool: when its caller goes, it is finished for the next.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::{Duration, timeout};

use super::Shared;
use super::stats::Discard;
use crate::connect::{Connector, Place};
use crate::error::{Error, Kind};
use crate::exchange::{Driver, Http1, Http2};

/// No connect lasts longer, whatever its caller allows: a SYN that nobody answers would be tried for two minutes.
const LONGEST: Duration = Duration::from_secs(30);

/// What a waiter brings along, so that whoever makes room can begin a connect for it.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) runtime: Handle,
    pub(super) limit: Option<Duration>,
}

impl Start {
    pub(super) fn begin(self, shared: Arc<Shared>, host: usize, place: Arc<Place>) {
        let opening = Opening { shared: Some(Arc::clone(&shared)), host };
        let limit = self.limit.unwrap_or(LONGEST).min(LONGEST);
        let runtime = self.runtime.clone();
        self.runtime.spawn(async move {
            let made = timeout(limit, connected(&shared.connector, &place, runtime))
                .await
                .unwrap_or_else(|_| Err(too_late(&place, limit)));
            match made {
                Ok(made) => opening.succeed(made),
                Err(error) => opening.fail(&error),
            }
        });
    }
}

pub(super) fn too_late(place: &Place, limit: Duration) -> Error {
    let (host, port) = (&place.host, place.port);
    Error::new(Kind::ConnectTimeout, format!("no connection to {host}:{port} within {limit:?}"))
}

enum Made {
    Own(Box<Http1>),
    Shared(Http2, Box<Driver>),
}

async fn connected(connector: &Connector, place: &Place, runtime: Handle) -> Result<Made, Error> {
    let connected = connector.connect(place).await?;
    if connected.http2 {
        let (connection, driver) = Http2::new(connected, runtime).await?;
        return Ok(Made::Shared(connection, Box::new(driver)));
    }
    Ok(Made::Own(Box::new(Http1::new(connected, runtime).await?)))
}

/// A connect under way. Dropped before its end (its runtime ends), it has failed.
struct Opening {
    shared: Option<Arc<Shared>>,
    host: usize,
}

impl Opening {
    fn succeed(mut self, made: Made) {
        let Some(shared) = self.shared.take() else { return };
        let host = self.host;
        match made {
            Made::Own(own) => {
                let runtime = own.runtime().clone();
                shared.change(|state, now, after| {
                    let expires = now + state.limits.keepalive;
                    state.opened_own(host, own, expires, now, after);
                });
                shared.keep_swept(&runtime);
            }
            Made::Shared(connection, driver) => {
                let runtime = connection.runtime().clone();
                let key = shared.change(|state, now, after| state.opened_shared(host, connection, now, after));
                shared.keep_swept(&runtime);
                let open = Open { shared, host };
                runtime.spawn(async move {
                    let closing = || open.shared.change(|state, now, after| state.closing(host, key, now, after));
                    driver.run(closing).await;
                    drop(open);
                });
            }
        }
    }

    fn fail(mut self, error: &Error) {
        if let Some(shared) = self.shared.take() {
            shared.change(|state, now, after| state.failed(self.host, error, now, after));
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let error = Error::new(Kind::Connect, "the connect was given up: the runtime is ending");
            shared.change(|state, now, after| state.failed(self.host, &error, now, after));
        }
    }
}

/// A shared connection's place in the books, for as long as its socket is open.
struct Open {
    shared: Arc<Shared>,
    host: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.change(|state, now, after| state.freed(self.host, Discard::Told, now, after));
    }
}
