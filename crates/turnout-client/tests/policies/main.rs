//! What policies, scope and gather promise, by a scripted upstream and with paused time. A test that shows a trap of the trade is named by it.

mod breaker;
mod cache;
mod coalesce;
mod gather;
mod hedge;
mod limits;
mod network;
mod order;
mod retry;
mod scope;
mod support;
