//! Where a request's time goes: Processing, Waiting for CPU, Waiting for I/O.
//!
//! [`Account`] is the arithmetic, [`Clocks`] and [`Probe`] are what the kernel says, [`Views`] is what is kept, [`Board`] where other processes read
//! it. Knows no sockets and no Python: it is told where the interpreter's state lies, and what happened when. Called by whoever runs
//! requests (the loop and the pools), and by whoever shows their times.
#![forbid(unsafe_code)]

mod account;
mod board;
mod clocks;
mod findings;
mod histogram;
mod labels;
mod names;
mod reason;
mod recent;
mod sequence;
mod slow;
mod spans;
mod spots;
mod text;
mod thread;
mod times;
mod view;
mod views;
mod waits;
mod witness;

pub use account::{Account, Interruptions, OnThread};
pub use board::{Board, Worker};
pub use clocks::{Clocks, Reading};
pub use findings::{Finding, Findings, Found, MOST_FINDINGS};
pub use histogram::{BUCKETS, Histogram, bucket, lower_end};
pub use labels::{Address, AddressId, Addresses, LabelId, Labels, Said, Site, SiteId, Sites};
pub use reason::{Call, Look, Reason};
pub use recent::{Kept, MOST_KEPT};
pub use sequence::{Sequence, in_sequence};
pub use slow::{MOST_SLOW, SlowRequest};
pub use spans::{MOST_SPANS, Span, Spans};
pub use spots::{AtSpot, Spot, Spots};
pub use thread::Probe;
pub use times::Times;
pub use view::{BINS, Bin, Ended, View, bin, bin_start};
pub use views::{Finished, LONGEST_NAME, MOST_VIEWS, NO_REQUEST, OTHER, Place, ViewId, Views};
pub use waits::{CALLS, KINDS, Kind, MOST_WAITS, Wait, Waits};
pub use witness::{Seen, Witness, Witnesses};
