//! JSON that stays bytes: a flat index beside the text instead of a tree, so that what nobody looks into is never copied or converted.
//!
//! Numbers keep their text (a price is not a double), objects their order. Knows nothing of Python and nothing of calls. Called by the
//! border, which makes Python objects of it or sends it on, and by gather for `select`.

mod index;
mod lazy;
mod merge;
mod number;
mod pointer;
mod select;
mod text;

pub use index::{Kind, Limits, Node};
pub use lazy::Lazy;
pub use merge::{Merge, Order, Source, merge};
pub use pointer::Pointer;
pub use select::Select;
pub use text::{Unescaped, quote, unescape};
