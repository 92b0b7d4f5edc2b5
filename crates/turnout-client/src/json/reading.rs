//! JSON as a gather wants it: read as soon as an answer is there, on the pool of threads if it is large, and cut to what was selected.

use std::sync::Arc;

use super::index::Limits;
use super::lazy::{INLINE, Lazy};
use super::select::Select;
use crate::answer::{Answer, AnswerBody};
use crate::client::Client;
use crate::cpu::Cpu;
use crate::error::{Error, Kind};
use crate::gather::Decode;

/// What a gather does with good answers. Without JSON it leaves them alone.
#[derive(Clone, Debug)]
pub struct Reading {
    cpu: Arc<Cpu>,
    wanted: bool,
    /// For each call by its place; none for those behind the end.
    selects: Arc<[Option<Arc<Select>>]>,
}

impl Reading {
    /// Of every answer, and of each the part that its place says.
    pub fn json(client: &Client, selects: Vec<Option<Arc<Select>>>) -> Self {
        Self { cpu: Arc::clone(&client.cpu), wanted: true, selects: selects.into() }
    }

    /// Of none.
    pub fn nothing(client: &Client) -> Self {
        Self { cpu: Arc::clone(&client.cpu), wanted: false, selects: Arc::default() }
    }
}

impl Decode for Reading {
    type Value = Option<Lazy>;

    async fn decode(&self, index: usize, answer: &Answer) -> Result<Option<Lazy>, Error> {
        if !self.wanted {
            return Ok(None);
        }
        let AnswerBody::Whole(text) = &answer.body else {
            return Err(Error::new(Kind::Json, "a body that is handed over as it comes cannot be read as JSON"));
        };
        let (text, select) = (text.clone(), self.selects.get(index).cloned().flatten());
        let large = text.len() > INLINE;
        let read = move || {
            let json = Lazy::parse(text, Limits::default())?;
            select.map_or(Ok(json.clone()), |select| select.apply(&json))
        };
        let json = if large { self.cpu.run(read).await? } else { read() };
        json.map(Some).map_err(Error::after_sending)
    }
}
