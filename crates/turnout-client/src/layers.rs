//! The one order of what lies around a call: deadline > cache > coalesce > redirects > retry or hedge > breaker > rate > bulkhead > attempt
//! time-out > pool. By attempt, for vendors count attempts; breaker before rate, so that an open circuit uses up no rate.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::scope::Scope;

/// One call, with everything around it. Dropping the future gives up the call.
pub async fn send(client: &Client, call: Arc<Call>, scope: &Scope) -> Result<Answer, Error> {
    let own = call.options.timeouts.total.map(|total| Instant::now() + total);
    let work = attempt(client, &call);
    match own.into_iter().chain(scope.deadline).min() {
        Some(deadline) => timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| Err(Error::new(Kind::DeadlineExceeded, "the time for the call is over"))),
        None => work.await,
    }
}

async fn attempt(client: &Client, call: &Arc<Call>) -> Result<Answer, Error> {
    match &call.options.transport {
        Some(transport) => transport.send(Arc::clone(call)).await,
        None => client.pool.attempt(call).await,
    }
}
