//! Calls to upstreams that one request made one after another, although they may not need one another's answers.

use crate::waits::{Kind, Wait};

/// Nanoseconds that would have to be saved for it to be worth a word.
const WORTH: u64 = 5_000_000;

/// Those of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// The first of the calls.
    pub first: Wait,
    /// How many went out, those that went out together counted once.
    pub calls: u64,
    /// What would not have been waited for if all had gone out together: their sum, without the longest.
    pub saved: u64,
}

/// Looks for one among a request's waits, in nanoseconds. Whether a call needs the answer of another one it cannot know.
pub fn in_sequence(waits: &[Wait]) -> Option<Sequence> {
    waits.iter().filter(|wait| wait.kind == Kind::Http).nth(1)?;
    let mut calls: Vec<&Wait> = waits.iter().filter(|wait| wait.kind == Kind::Http).collect();
    calls.sort_unstable_by_key(|wait| wait.began);
    let first = **calls.first()?;
    let mut found = Sequence { first, calls: 0, saved: 0 };
    let (mut sum, mut longest, mut covered) = (0, 0, 0);
    let mut group = (0, 0);
    for wait in calls {
        if found.calls == 0 || wait.began >= covered {
            found.calls += 1;
            group = (wait.began, wait.ended);
        } else {
            sum -= group.1.saturating_sub(group.0);
            group.1 = group.1.max(wait.ended);
        }
        covered = covered.max(wait.ended);
        let took = group.1.saturating_sub(group.0);
        sum += took;
        longest = took.max(longest);
    }
    found.saved = sum - longest;
    (found.calls > 1 && found.saved >= WORTH).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{AddressId, SiteId};

    const MS: u64 = 1_000_000;

    fn call(began: u64, ended: u64) -> Wait {
        Wait {
            kind: Kind::Http,
            address: AddressId::default(),
            site: SiteId::default(),
            began: began * MS,
            ended: ended * MS,
        }
    }

    fn told(waits: &[Wait]) -> Option<(u64, u64)> {
        in_sequence(waits).map(|found| (found.calls, found.saved / MS))
    }

    #[test]
    fn one_after_another_would_have_been_quicker_together() {
        assert_eq!(told(&[call(0, 20), call(21, 51), call(60, 70)]), Some((3, 30)));
        let found = in_sequence(&[call(5, 20), call(21, 51)]).expect("it is one");
        assert_eq!(found.first, call(5, 20));
    }

    #[test]
    fn those_that_went_out_together_are_one() {
        assert_eq!(told(&[call(0, 20), call(1, 30), call(2, 10)]), None);
        assert_eq!(told(&[call(2, 10), call(0, 20), call(1, 30), call(40, 90)]), Some((2, 30)));
    }

    #[test]
    fn neither_quick_calls_nor_queries_are_worth_a_word() {
        assert_eq!(told(&[call(0, 2), call(3, 5)]), None);
        let query = Wait { kind: Kind::Database, ..call(0, 50) };
        assert_eq!(told(&[query, query, call(60, 90)]), None);
        assert_eq!(told(&[]), None);
    }
}
