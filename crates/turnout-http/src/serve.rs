//! Accepting: one loop for each listener, one task for each connection.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use turnout_net::{Acceptor, Listener};

use crate::admission::Admission;
use crate::app::App;
use crate::config::Config;
use crate::connection::connection;
use crate::drain::{Drain, Phase};
use crate::exchange::Serving;

/// How long to wait when the system cannot give us a connection (no descriptors left): long enough for some to end.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// Accepts and answers until `drain` begins; connections then end in tasks of their own, see [`Drain::finished`].
///
/// Everything it spawns is `Send`, never blocks, and runs on the runtime it is polled in.
pub async fn serve<A: App>(
    listeners: Vec<Listener>,
    app: Arc<A>,
    config: Arc<Config>,
    admission: Arc<Admission>,
    drain: Drain,
) {
    let places = config.limits.connections.map(|most| Arc::new(Semaphore::new(most)));
    let serving = Arc::new(Serving { app, config, admission, drain });
    let mut loops = tokio::task::JoinSet::new();
    for listener in listeners {
        match listener.into_acceptor() {
            Ok(acceptor) => {
                loops.spawn(accept(Arc::clone(&serving), acceptor, places.clone()));
            }
            // Only without an I/O driver or descriptors, at the very start.
            Err(error) => panic!("cannot accept connections: {error}"),
        }
    }
    while loops.join_next().await.is_some() {}
}

async fn accept<A: App>(serving: Arc<Serving<A>>, acceptor: Acceptor, places: Option<Arc<Semaphore>>) {
    let _alive = serving.drain.alive();
    loop {
        let mut changed = pin!(serving.drain.changed());
        changed.as_mut().enable();
        if serving.drain.phase() != Phase::Serving {
            return;
        }
        let next = async {
            serving.admission.room().await;
            // Never closed, so it is a place whenever there are places.
            let place = match &places {
                Some(places) => Arc::clone(places).acquire_owned().await.ok(),
                None => None,
            };
            acceptor.accept().await.map(|accepted| (accepted, place))
        };
        let accepted = tokio::select! {
            biased;
            () = changed => return,
            () = serving.admission.filled() => continue,
            accepted = next => accepted,
        };
        match accepted {
            Ok(((stream, facts), place)) => {
                let serving = Arc::clone(&serving);
                let alive = serving.drain.alive();
                tokio::spawn(async move {
                    connection(serving, stream, facts).await;
                    drop((alive, place));
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(OUT_OF_RESOURCES).await,
        }
    }
}

/// The peer was gone before we came: the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
