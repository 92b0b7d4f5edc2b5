//! A call that cannot be taken back: when its caller goes, it is finished all the same if it was sent, and somebody is told how it ended.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::trip::Progress;
use crate::answer::Answer;
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::stats::Counters;

/// As long as a payment may reasonably take. The call's own time, if it is shorter, goes on as well.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

type Work = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// The call's future. Dropping it before its end: see the module.
pub(super) struct Finishing {
    /// `None`: over.
    work: Option<Work>,
    client: Client,
    call: Arc<Call>,
    counters: Arc<Counters>,
    progress: Arc<Progress>,
    /// Remembered, for who drops this need not be on the runtime.
    runtime: Option<Handle>,
}

impl Finishing {
    pub(super) fn new(
        client: &Client,
        call: &Arc<Call>,
        counters: &Arc<Counters>,
        progress: &Arc<Progress>,
        work: Work,
    ) -> Self {
        Self {
            work: Some(work),
            client: client.clone(),
            call: Arc::clone(call),
            counters: Arc::clone(counters),
            progress: Arc::clone(progress),
            runtime: Handle::try_current().ok(),
        }
    }
}

impl Future for Finishing {
    type Output = Result<Answer, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let work = this.work.as_mut().expect("not polled after its end");
        let outcome = work.as_mut().poll(context);
        if outcome.is_ready() {
            this.work = None;
        }
        outcome
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) else { return };
        if !self.progress.sent.load(Relaxed) {
            return;
        }
        self.progress.is_abandoned.store(true, Relaxed);
        let (client, call, counters) = (self.client.clone(), Arc::clone(&self.call), Arc::clone(&self.counters));
        runtime.spawn(async move {
            let outcome = timeout(FINISH_WITHIN, work).await.unwrap_or_else(|_| {
                let text = "nobody waits any more, and the upstream did not answer in the time that it was left";
                Err(Error::new(Kind::DeadlineExceeded, text).after_sending())
            });
            counters.unawaited.fetch_add(1, Relaxed);
            if let Some(observer) = &client.observer {
                let outcome = outcome.map_err(|error| match error.upstream() {
                    Some(_) => error,
                    None => error.of(Arc::clone(&counters.name)),
                });
                observer.unawaited(&call, &outcome);
            }
        });
    }
}
