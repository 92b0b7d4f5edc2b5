//! The Django interface: each request on the track of its view, sync whole on a thread, async on the loop.
//!
//! The Python half is `turnout.django.handler.DjangoHandler`; what each of its methods is called for stands in `_turnout.pyi`.

mod call;
mod exchange;
mod meta;
mod response;
mod sending;
mod stream;
mod sync;

pub(crate) use call::DjangoApp;
pub(crate) use exchange::Exchange;
pub(crate) use sending::Sending;
