//! asyncio's selector as a tokio current-thread runtime, with a standby thread that drives it while Python computes.
//!
//! Knows asyncio only as a caller of `select`, and nothing of HTTP. Rust talks to it through [`Handle`].
//!
//! # Who drives
//!
//! At any time the runtime is driven by the loop thread (inside `select`), by the standby thread, or by nobody. One word,
//! [`turn::Turn`], says which; it changes hands by compare-and-swap, and only the loop thread waits for the other side.
//!
//! | `turn` | who drives | left by |
//! | --- | --- | --- |
//! | a time stamp | nobody: the loop thread has been in Python since then | `select` entered: swap to `LOOP`; 2 ms passed: the standby swaps to `STANDBY` |
//! | `LOOP` | the loop thread, inside `select` | `select` leaves: stores the time stamp |
//! | `STANDBY` | the standby | `select` entered: swap to `LOOP`, wake the standby, wait until it says it has left |
//!
//! # Nothing is lost
//!
//! Two queues cross the border: the *inbox* (Rust to Python) and the *outbox* (Python and pool threads to Rust). Whoever
//! drives looks at them, says "I am parked" ([`shared::Parked`]), looks *again*, and only then sleeps. Whoever pushes
//! pushes first and reads `parked` afterwards. All four accesses are sequentially consistent, so at least one of the two
//! sees the other: an item is found by the second look, or its pusher wakes the sleeper. If nobody is parked no system
//! call is made: the loop thread looks at the start of the next `select`, the standby at its next turn, which comes by
//! itself 2 ms after the loop thread went away.
//!
//! The standby never touches the inbox. It drives only while the loop thread is in Python; what it delivers waits for the
//! next `select`, which looks at the inbox before it could park.
//!
//! The standby sleeps without a time limit only after it announced that (`asleep`) and then still saw `LOOP`; the loop
//! thread stores its stamp and then reads `asleep`: the same pattern, the same proof.
//!
//! # Descriptors of Python
//!
//! They live in an epoll set of their own, which tokio watches *edge*-triggered and `select` drains *level*-triggered: after
//! a non-empty drain it drains again before it may sleep, and only an empty drain makes it trust the edge again.
//! Until the first Rust task there is no runtime at all and `select` is one `epoll_wait` on that set.

mod accounts;
mod descriptors;
mod driver;
mod engine;
mod event_loop;
mod figures;
mod handles;
mod inbox;
mod pace;
mod readers;
mod selector;
mod shared;
mod standby;
mod step;
mod steps;
mod stream;
pub(crate) mod testing;
mod timers;
mod turn;
pub(crate) mod watchdog;

pub(crate) use event_loop::EventLoop;
pub(crate) use figures::Figures;
pub(crate) use handles::{Handle as CallHandle, TimerHandle};
pub(crate) use selector::Reactor;
pub(crate) use shared::{AtWork, Deliver, Handle};
pub(crate) use stream::Stream;
