//! What came second by second, within a length and a room.

use std::collections::VecDeque;

use crate::store::ring::LONGEST;

/// The last 15 minutes; where more happens than fits, the oldest seconds give way.
#[derive(Debug)]
pub(super) struct Seconds<T> {
    most_bytes: usize,
    /// How long each took, and what came.
    kept: VecDeque<(f64, Box<[T]>)>,
    bytes: usize,
}

impl<T> Seconds<T> {
    pub(super) fn of(most_bytes: usize) -> Self {
        Self { most_bytes, kept: VecDeque::new(), bytes: 0 }
    }

    /// This came in a second, or however long `span` is.
    pub(super) fn push(&mut self, span: f64, came: Vec<T>) {
        let came: Box<[T]> = came.into();
        self.bytes += bytes(&came);
        self.kept.push_back((span, came));
        while self.kept.len() > LONGEST as usize || (self.bytes > self.most_bytes && self.kept.len() > 1) {
            let (_, oldest) = self.kept.pop_front().expect("there is more than one");
            self.bytes -= bytes(&oldest);
        }
    }

    /// Of the last so many seconds, the newest first.
    pub(super) fn window(&self, seconds: f64) -> impl Iterator<Item = (f64, &[T])> {
        let mut covered = 0.0;
        let inside = self.kept.iter().rev().take_while(move |(span, _)| {
            let inside = covered < seconds - 0.5;
            covered += span;
            inside
        });
        inside.map(|(span, came)| (*span, &**came))
    }
}

fn bytes<T>(came: &[T]) -> usize {
    size_of::<(f64, Box<[T]>)>() + size_of_val(came)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_end_and_the_oldest_give_way() {
        let mut seconds = Seconds::of(1 << 20);
        for second in 0..1000_u64 {
            seconds.push(1.0, vec![second]);
        }
        assert_eq!(seconds.window(900.0).count(), 900);
        let last: Vec<_> = seconds.window(3.0).map(|(_, came)| came[0]).collect();
        assert_eq!(last, [999, 998, 997]);
        for _ in 0..100 {
            seconds.push(1.0, vec![0; 5000]);
        }
        assert!((1 << 19..=1 << 20).contains(&seconds.bytes), "{}", seconds.bytes);
        assert_eq!(seconds.bytes, seconds.kept.iter().map(|(_, came)| bytes(came)).sum::<usize>());
    }
}
