//! The account of one request: every moment of its life is in exactly one state.
//!
//! A request may have steps on the loop, calls on threads, and both at once. Whoever knows something of it says so when it is over: *this was ready
//! then, began then, ended then*. What was said before is never taken back, so one number is enough to keep intervals from being counted
//! twice: `covered`, up to which all is accounted for. What lies between `covered` and the next thing that happened is a gap, and what a gap
//! is depends on what the request was about then: on a thread, in line for one, or neither, which is waiting for I/O.
//!
//! Stamps are counts of one even clock; its unit is the caller's. No lock, no list, no clock is read here.

use crate::times::Times;

/// See the module. Sums of [`Account::times`] are in the unit of the stamps until somebody scales them.
#[derive(Debug, Clone, Default)]
pub struct Account {
    began: u64,
    covered: u64,
    times: Times,
    /// In line for a thread, of what has not yet come to one.
    in_line: u64,
    /// Gaps while calls ran on threads: what they were, those calls say when they end.
    aside: u64,
    queued: u32,
    running: u32,
    /// A step that has not been told of yet got in line for a thread: the time from its beginning on it will tell of itself.
    in_step: bool,
    /// A call that has not ended was begun on a thread before that step was over.
    beside_step: bool,
    /// When the last step was over.
    stepped: u64,
    /// What calls on threads say beyond the time there was for it: they ran beside one another, or beside the loop.
    overlap: u64,
    over: bool,
}

/// What a step of the loop was, beside computing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interruptions {
    /// Others had the interpreter's lock.
    pub gil: u64,
    /// Others had the processor.
    pub run_queue: u64,
    /// It blocked, and the loop with it.
    pub blocked: u64,
}

/// What a call on a thread consisted of, from its beginning on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnThread {
    /// On a processor.
    pub processing: u64,
    /// In the run queue.
    pub run_queue: u64,
    /// Waiting for the interpreter's lock.
    pub gil: u64,
    /// The rest.
    pub io: u64,
}

impl OnThread {
    /// Splits the time between two stamps by what the thread's clocks say. True beside it: they said more than there was, by more than
    /// `tolerated`, and were cut down to it.
    pub fn split(wall: u64, processing: u64, run_queue: u64, gil: u64, tolerated: u64) -> (Self, bool) {
        let mut left = wall;
        let mut take = |wanted: u64| {
            let taken = wanted.min(left);
            left -= taken;
            taken
        };
        let parts = Self { processing: take(processing), run_queue: take(run_queue), gil: take(gil), io: 0 };
        let clamped = processing + run_queue + gil > wall + tolerated;
        (Self { io: left, ..parts }, clamped)
    }

    fn sum(&self) -> u64 {
        self.processing + self.run_queue + self.gil + self.io
    }
}

impl Account {
    /// Of a request whose first byte could be read at `began`.
    pub fn new(began: u64) -> Self {
        Self { began, covered: began, ..Self::default() }
    }

    /// When it began.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// All of the request is here. `waited`: for the client, else the time since the last stamp was the server's own work.
    pub fn received(&mut self, now: u64, waited: bool) {
        let took = self.advance(now);
        *(if waited { &mut self.times.client } else { &mut self.times.processing }) += took;
    }

    /// Gets in line for a thread.
    pub fn queue(&mut self, now: u64) {
        self.settle_unless_in_step(now);
        self.queued += 1;
    }

    /// The same in the middle of a step of its own, which was ready then: the line begins where the step ends.
    pub fn queue_in_step(&mut self, ready: u64) {
        self.settle_unless_in_step(ready);
        self.in_step = true;
        self.queued += 1;
    }

    /// Leaves the line without a thread.
    pub fn give_up(&mut self, now: u64) {
        self.settle_unless_in_step(now);
        self.queued = self.queued.saturating_sub(1);
        self.leave_line(0.0);
    }

    /// A thread has taken it. `computing`: what part of the time in line the busy threads computed or waited for a processor.
    pub fn begin_on_thread(&mut self, now: u64, computing: f32) {
        self.settle_unless_in_step(now);
        self.beside_step |= self.in_step;
        self.queued = self.queued.saturating_sub(1);
        self.leave_line(computing);
        self.running += 1;
    }

    /// The thread that took it at `taken` is done with it.
    pub fn end_on_thread(&mut self, taken: u64, now: u64, mut call: OnThread) {
        // Rare: the step that sent it is still under way. What it says of that time comes too late.
        self.in_step = false;
        let beside_step = std::mem::take(&mut self.beside_step);
        let uncovered = self.advance(now) + std::mem::take(&mut self.aside);
        self.running = self.running.saturating_sub(1);
        let said = call.sum();
        if said < uncovered {
            // Of other calls on threads: they will say.
            self.aside = uncovered - said;
            if self.running == 0 {
                self.times.io += std::mem::take(&mut self.aside);
            }
        } else {
            // Beside something else of this request. Processing has precedence, and most that runs beside it waits.
            let mut excess = said - uncovered;
            self.overlap += excess;
            if beside_step {
                // The end of the step that sent it: the thread was awake and could not go on yet.
                let mut ours = self.stepped.saturating_sub(taken).min(excess);
                excess -= ours;
                for part in [&mut call.gil, &mut call.run_queue, &mut call.processing, &mut call.io] {
                    let less = ours.min(*part);
                    *part -= less;
                    ours -= less;
                }
            }
            for part in [&mut call.io, &mut self.times.io, &mut call.gil, &mut call.run_queue, &mut call.processing] {
                let less = excess.min(*part);
                *part -= less;
                excess -= less;
            }
        }
        self.times.processing += call.processing;
        self.times.run_queue += call.run_queue;
        self.times.gil += call.gil;
        self.times.io += call.io;
    }

    /// A step of the loop, with its stamps and what came between.
    #[inline]
    pub fn step(&mut self, ready: u64, began: u64, ended: u64, between: Interruptions) {
        self.in_step = false;
        self.stepped = self.stepped.max(ended);
        self.settle(ready);
        self.times.loop_queue += self.advance(began);
        let mut left = self.advance(ended);
        for (interruption, part) in [
            (between.gil, &mut self.times.gil),
            (between.run_queue, &mut self.times.run_queue),
            (between.blocked, &mut self.times.io),
        ] {
            let taken = interruption.min(left);
            *part += taken;
            left -= taken;
        }
        self.times.processing += left;
    }

    /// It is over. What is said of it from now on is nobody's.
    pub fn end(&mut self, now: u64) {
        self.settle(now);
        self.leave_line(0.0);
        self.times.io += std::mem::take(&mut self.aside);
        self.over = true;
    }

    /// Whether [`Account::end`] was called.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// All that was said so far.
    pub fn times(&self) -> Times {
        self.times
    }

    /// See the field: how much was said twice.
    pub fn overlap(&self) -> u64 {
        self.overlap
    }

    /// What lies between what is known and `now` is a gap.
    fn settle(&mut self, now: u64) {
        let gap = self.advance(now);
        *(match (self.running, self.queued) {
            (0, 0) => &mut self.times.io,
            (0, _) => &mut self.in_line,
            _ => &mut self.aside,
        }) += gap;
    }

    fn settle_unless_in_step(&mut self, now: u64) {
        if !self.in_step {
            self.settle(now);
        }
    }

    fn advance(&mut self, now: u64) -> u64 {
        let gap = now.saturating_sub(self.covered);
        self.covered += gap;
        gap
    }

    #[expect(clippy::cast_sign_loss, reason = "a part of a count, between none and all of it")]
    fn leave_line(&mut self, computing: f32) {
        let waited = std::mem::take(&mut self.in_line);
        let cpu = (waited as f64 * f64::from(computing.clamp(0.0, 1.0))) as u64;
        self.times.no_thread_cpu += cpu;
        self.times.no_thread_io += waited - cpu;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: Interruptions = Interruptions { gil: 0, run_queue: 0, blocked: 0 };

    fn ended(mut account: Account, now: u64) -> Times {
        account.end(now);
        account.times()
    }

    #[test]
    fn steps_of_tasks_that_wait_side_by_side_are_one_line() {
        let mut account = Account::new(100);
        account.received(105, false);
        account.step(105, 110, 120, NONE); // starts two children
        account.step(120, 121, 125, NONE);
        account.step(120, 125, 130, NONE); // waits from here on
        account.step(200, 220, 230, NONE); // the first child is woken
        account.step(215, 240, 250, NONE); // the second, ready while the first waited in line
        let times = ended(account, 260);
        assert_eq!(times.processing, 5 + 10 + 4 + 5 + 10 + 10);
        assert_eq!(times.loop_queue, 5 + 1 + 20 + 10);
        assert_eq!(times.io, 70 + 10);
        assert_eq!(times.wall(), 160);
    }

    #[test]
    fn a_step_says_what_kept_it() {
        let mut account = Account::new(0);
        account.step(0, 0, 100, Interruptions { gil: 20, run_queue: 10, blocked: 30 });
        let times = ended(account, 100);
        assert_eq!((times.processing, times.gil, times.run_queue, times.io), (40, 20, 10, 30));
    }

    #[test]
    fn a_body_that_is_awaited_is_the_client_s_time_and_one_that_is_here_is_not() {
        let mut account = Account::new(0);
        account.received(50, true);
        account.received(53, false);
        let times = ended(account, 53);
        assert_eq!((times.client, times.processing), (50, 3));
    }

    #[test]
    fn the_line_for_a_thread_has_a_name_and_two_states() {
        let mut account = Account::new(0);
        account.queue(0);
        account.begin_on_thread(100, 0.25);
        account.end_on_thread(100, 160, OnThread { processing: 20, run_queue: 5, gil: 5, io: 30 });
        let times = ended(account, 160);
        assert_eq!((times.no_thread_cpu, times.no_thread_io), (25, 75));
        assert_eq!((times.processing, times.run_queue, times.gil, times.io), (20, 5, 5, 30));
        assert_eq!(times.waiting_for_cpu() + times.waiting_for_io() + times.processing, 160);
    }

    #[test]
    fn a_step_that_gets_in_line_for_a_thread_computes_to_its_end() {
        let mut account = Account::new(100);
        account.received(105, false);
        account.queue_in_step(105); // at 115, in the middle of the step
        account.step(105, 106, 120, NONE);
        account.begin_on_thread(122, 0.0);
        account.end_on_thread(122, 132, OnThread { processing: 10, ..OnThread::default() });
        let times = ended(account, 132);
        assert_eq!((times.processing, times.loop_queue, times.no_thread_io, times.io), (5 + 14 + 10, 1, 2, 0));
    }

    #[test]
    fn a_thread_that_wakes_up_before_that_step_is_over_waited_for_nothing() {
        let mut account = Account::new(0);
        account.step(0, 0, 10, NONE);
        account.queue_in_step(30); // waited for 20 before
        account.begin_on_thread(38, 0.0);
        account.step(30, 31, 50, NONE);
        account.end_on_thread(38, 70, OnThread { processing: 15, gil: 13, io: 4, run_queue: 0 });
        let overlap = account.overlap();
        let times = ended(account, 70);
        assert_eq!((times.processing, times.loop_queue), (10 + 19 + 15, 1));
        assert_eq!((times.gil, times.io, overlap), (1, 20 + 4, 12));
    }

    #[test]
    fn a_thread_that_waits_for_the_loop_waits_for_what_the_loop_does_for_it() {
        // A sync view calls async_to_sync: 10 of its own, then the loop works 40 for it, waits 50, works 20, then 5 of its own.
        let mut account = Account::new(0);
        account.queue(0);
        account.begin_on_thread(0, 0.0);
        account.step(10, 12, 52, NONE);
        account.step(102, 103, 123, NONE);
        account.end_on_thread(0, 128, OnThread { processing: 15, run_queue: 0, gil: 0, io: 113 });
        let overlap = account.overlap();
        let times = ended(account, 128);
        assert_eq!((times.processing, times.loop_queue, times.io), (15 + 60, 3, 50));
        assert_eq!(overlap, 63);
    }

    #[test]
    fn two_calls_on_threads_that_wait_at_once_wait_once() {
        let mut account = Account::new(0);
        for _ in 0..2 {
            account.queue(0);
            account.begin_on_thread(0, 0.0);
        }
        account.end_on_thread(0, 100, OnThread { processing: 10, io: 90, ..OnThread::default() });
        account.end_on_thread(0, 101, OnThread { processing: 10, io: 91, ..OnThread::default() });
        let overlap = account.overlap();
        let times = ended(account, 101);
        assert_eq!((times.processing, times.io, overlap), (20, 81, 100));
    }

    #[test]
    fn readings_beyond_the_time_there_was_are_cut_and_said() {
        let (parts, clamped) = OnThread::split(100, 60, 30, 20, 5);
        assert_eq!((parts, clamped), (OnThread { processing: 60, run_queue: 30, gil: 10, io: 0 }, true));
        let (parts, clamped) = OnThread::split(100, 60, 30, 12, 5);
        assert_eq!((parts.sum(), clamped), (100, false));
        assert_eq!(OnThread::split(100, 60, 0, 0, 5).0.io, 40);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Step(u64, u64, u64, u64),
        Queue,
        QueueInStep(u64),
        GiveUp,
        Begin,
        End(u64, u64, u64),
        Received(bool),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..50u64, 0..50u64, 0..50u64, 0..80u64).prop_map(|(a, b, c, d)| Event::Step(a, b, c, d)),
            Just(Event::Queue),
            (0..50u64).prop_map(Event::QueueInStep),
            Just(Event::GiveUp),
            Just(Event::Begin),
            (0..60u64, 0..60u64, 0..60u64).prop_map(|(a, b, c)| Event::End(a, b, c)),
            any::<bool>().prop_map(Event::Received),
        ]
    }

    proptest! {
        /// Whatever is said, in whatever order, with whatever overlaps: no moment is counted twice, none is lost.
        #[test]
        fn the_parts_sum_to_the_whole(events in prop::collection::vec((0..40u64, event()), 0..60)) {
            let mut now = 1000;
            let mut account = Account::new(now);
            let mut begun = Vec::new();
            for (later, event) in events {
                now += later;
                match event {
                    // Ready earlier than what is known, as it happens.
                    Event::Step(ready, queued, ran, off) => {
                        let ready = now.saturating_sub(ready);
                        let began = now + queued;
                        now = began + ran;
                        account.step(ready, began, now, Interruptions { gil: off / 2, run_queue: off / 4, blocked: off });
                    }
                    Event::Queue => account.queue(now),
                    Event::QueueInStep(ready) => account.queue_in_step(now.saturating_sub(ready)),
                    Event::GiveUp => account.give_up(now),
                    Event::Begin => {
                        account.begin_on_thread(now, 0.3);
                        begun.push(now);
                    }
                    Event::End(processing, run_queue, gil) => {
                        let Some(since) = begun.pop() else { continue };
                        account.end_on_thread(since, now, OnThread::split(now - since, processing, run_queue, gil, 0).0);
                    }
                    Event::Received(waited) => account.received(now, waited),
                }
            }
            account.end(now);
            prop_assert_eq!(account.times().wall(), now - account.began());
        }
    }
}
