//! A call in the middle of something large ends its step, and whoever takes the steps can tell.

use std::cell::Cell;

use tokio::task::yield_now;

thread_local! {
    static GAVE_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Goes on after the runtime has looked at its sockets.
pub(crate) async fn give_way() {
    GAVE_WAY.set(true);
    yield_now().await;
}

/// Whether that happened on this thread since this was last asked.
pub fn gave_way() -> bool {
    GAVE_WAY.take()
}
