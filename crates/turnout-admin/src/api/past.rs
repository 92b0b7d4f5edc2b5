//! `/api/v1/history` and `/api/v1/compare`: what was kept of earlier times.

use http::StatusCode;
use serde::Serialize;
use turnout_history::{Figures, MINUTE, QUARTER, Question, Step, Window};

use crate::answers::Wrong;
use crate::api::field;
use crate::api::numbers::{Parts, Shares, rounded};

const DAY: i64 = 86_400;
/// Points of one answer: a day minute by minute.
const MOST_STEPS: i64 = 1500;
/// Points where nobody says: as many as a chart is wide.
const POINTS: i64 = 150;
/// No server is asked about what comes after (2100), and none was asked so long before.
const LATEST: i64 = 4_102_444_800;
const LONGEST_BEFORE: i64 = 3660 * DAY;

const MOMENTS: Wrong = Wrong::new(
    StatusCode::BAD_REQUEST,
    "from and to are not two moments, the earlier one first",
    "give whole seconds since 1970; left out, they are the last 24 hours",
);
const STEP: Wrong = Wrong::new(
    StatusCode::BAD_REQUEST,
    "step is not a multiple of 60 from 60 to 86400",
    "leave it out, or give seconds such as 60, 900 or 3600",
);
const MANY: Wrong = Wrong::new(
    StatusCode::BAD_REQUEST,
    "that is more than 1500 steps",
    "leave step out, give a longer one, or ask for less time",
);
const BEFORE: Wrong = Wrong::new(
    StatusCode::BAD_REQUEST,
    "before is not a multiple of 900 and of step, from 900 to 316224000",
    "leave it out for yesterday, or give seconds such as 604800 for a week ago",
);

/// What a query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// One view, or all.
    pub(crate) name: Option<String>,
    from: i64,
    to: i64,
    step: i64,
}

impl Asked {
    /// `now` in seconds since 1970.
    pub(crate) fn new(query: Option<&str>, now: f64) -> Result<Self, Wrong> {
        let to = whole(query, "to", 0, LATEST).map_err(|()| MOMENTS)?.unwrap_or(now.ceil() as i64);
        let from = whole(query, "from", 0, LATEST).map_err(|()| MOMENTS)?.unwrap_or((to - DAY).max(0));
        if from >= to {
            return Err(MOMENTS);
        }
        let fitting =
            || [MINUTE, 5 * MINUTE, QUARTER, 4 * QUARTER, DAY].into_iter().find(|step| (to - from) / step <= POINTS);
        let step = match whole(query, "step", MINUTE, DAY).map_err(|()| STEP)? {
            Some(step) if step % MINUTE == 0 => step,
            Some(_) => return Err(STEP),
            None => fitting().unwrap_or(DAY),
        };
        if (to - from) / step > MOST_STEPS {
            Err(MANY)
        } else {
            Ok(Self { name: field(query, "name"), from, to, step })
        }
    }

    /// How many seconds before lies what is compared with: a day, where nobody says.
    pub(crate) fn before(&self, query: Option<&str>) -> Result<i64, Wrong> {
        let before = whole(query, "before", QUARTER, LONGEST_BEFORE).map_err(|()| BEFORE)?.unwrap_or(DAY);
        // Else the steps of the two would not lie upon one another.
        if before % QUARTER == 0 && before % self.step == 0 { Ok(before) } else { Err(BEFORE) }
    }

    pub(crate) fn question(&self) -> Question {
        Question { view: self.name.clone(), from: self.from, to: self.to, step: self.step }
    }

    /// The same, so many seconds before.
    pub(crate) fn earlier(&self, before: i64) -> Question {
        Question { from: self.from - before, to: self.to - before, ..self.question() }
    }
}

/// A whole number within bounds, if there is one of that name; an error if there is something else.
fn whole(query: Option<&str>, name: &str, least: i64, most: i64) -> Result<Option<i64>, ()> {
    let Some(text) = field(query, name) else { return Ok(None) };
    let number = text.parse().map_err(|_| ())?;
    if (least..=most).contains(&number) { Ok(Some(number)) } else { Err(()) }
}

/// The answer about one window.
#[derive(Debug, Serialize)]
pub(crate) struct Past<'a> {
    name: Option<&'a str>,
    step: i64,
    oldest: Option<i64>,
    #[serde(flatten)]
    period: Period,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<Vec<Row<'a>>>,
}

/// The answer about two.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison<'a> {
    name: Option<&'a str>,
    step: i64,
    oldest: Option<i64>,
    before: i64,
    now: Period,
    then: Period,
}

#[derive(Debug, Serialize)]
struct Period {
    from: i64,
    to: i64,
    /// Seconds in which a server counted.
    covered: f64,
    totals: Totals,
    series: Series,
}

/// Times are milliseconds, as in the live table.
#[derive(Debug, Serialize)]
struct Totals {
    requests: u64,
    rps: Option<f64>,
    failed: u64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    mean: Option<f64>,
    parts: Parts,
    shares: Shares,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(flatten)]
    totals: Totals,
}

/// By step. `None` where no server counted, and for times where no request ended.
#[derive(Debug, Default, Serialize)]
struct Series {
    time: Vec<i64>,
    rps: Vec<Option<f64>>,
    processing: Vec<Option<f64>>,
    cpu: Vec<Option<f64>>,
    io: Vec<Option<f64>>,
    p50: Vec<Option<f64>>,
    p95: Vec<Option<f64>>,
}

impl<'a> Past<'a> {
    pub(crate) fn new(name: Option<&'a str>, window: &'a Window) -> Self {
        let period = Period::new(window);
        let row = |(name, figures): &'a (String, Figures)| Row { name, totals: Totals::new(figures, period.covered) };
        // The one that took most time first, as in the live table.
        let wall = |(_, figures): &(String, Figures)| std::cmp::Reverse(figures.times.wall());
        let views = name.is_none().then(|| {
            let mut views: Vec<_> = window.views.iter().collect();
            views.sort_by_key(|view| wall(view));
            views.into_iter().map(row).collect()
        });
        Self { name, step: window.step, oldest: window.oldest, period, views }
    }
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(name: Option<&'a str>, before: i64, now: &Window, then: &Window) -> Self {
        let (step, oldest) = (now.step, now.oldest);
        Self { name, step, oldest, before, now: Period::new(now), then: Period::new(then) }
    }
}

impl Period {
    fn new(window: &Window) -> Self {
        let total = window.total();
        let mut series = Series::default();
        for (number, step) in (0_i64..).zip(&window.steps) {
            series.push(window.from + number * window.step, step);
        }
        Self {
            from: window.from,
            to: window.to,
            covered: rounded(total.covered),
            totals: Totals::new(&total.figures, total.covered),
            series,
        }
    }
}

impl Totals {
    fn new(figures: &Figures, covered: f64) -> Self {
        let states = seconds(figures);
        Self {
            requests: figures.requests,
            rps: rate(figures.requests, covered),
            failed: figures.failed,
            p50: figures.quantile(0.5),
            p95: figures.quantile(0.95),
            p99: figures.quantile(0.99),
            mean: mean(states.iter().sum(), figures.requests),
            parts: Parts::mean(&figures.times, figures.requests),
            shares: Shares::of(states),
        }
    }
}

impl Series {
    fn push(&mut self, time: i64, Step { covered, figures }: &Step) {
        let [processing, cpu, io] = seconds(figures).map(|state| mean(state, figures.requests));
        self.time.push(time);
        self.rps.push(rate(figures.requests, *covered));
        self.processing.push(processing);
        self.cpu.push(cpu);
        self.io.push(io);
        self.p50.push(figures.quantile(0.5));
        self.p95.push(figures.quantile(0.95));
    }
}

/// Of each state.
fn seconds(figures: &Figures) -> [f64; 3] {
    figures.times.states().map(|state| state as f64 / 1e9)
}

/// Milliseconds a request.
fn mean(seconds: f64, requests: u64) -> Option<f64> {
    (requests > 0).then(|| rounded(seconds * 1e3 / requests as f64))
}

/// Less than a second is no rate.
fn rate(requests: u64, covered: f64) -> Option<f64> {
    (covered > 0.0).then(|| rounded(requests as f64 / covered.max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_790_035_199.5;

    fn asked(query: &str) -> Result<Asked, Wrong> {
        Asked::new(Some(query), NOW)
    }

    #[test]
    fn nothing_said_is_the_last_day() {
        let day = Asked::new(None, NOW).expect("a day");
        assert_eq!(day, Asked { name: None, from: 1_790_035_200 - DAY, to: 1_790_035_200, step: QUARTER });
        assert_eq!(day.before(None), Ok(DAY));
        assert_eq!(day.earlier(DAY).to, 1_790_035_200 - DAY);
    }

    #[test]
    fn steps_fit_the_time() {
        for (span, step) in [(60, 60), (3600, 60), (6 * 3600, 300), (DAY, 900), (5 * DAY, 3600), (30 * DAY, DAY)] {
            assert_eq!(
                asked(&format!("from={}&to=1790000000", 1_790_000_000 - span)).map(|it| it.step),
                Ok(step),
                "{span}"
            );
        }
        assert_eq!(asked("from=1789913600&to=1790000000&step=60").map(|it| it.step), Ok(60));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        for (query, wrong) in [
            ("from=5&to=5", MOMENTS),
            ("from=7&to=5", MOMENTS),
            ("to=-1", MOMENTS),
            ("from=1e9", MOMENTS),
            ("from=", MOMENTS),
            ("to=99999999999999999999", MOMENTS),
            ("to=4102444801", MOMENTS),
            ("step=0", STEP),
            ("step=61", STEP),
            ("step=-60", STEP),
            ("step=86460", STEP),
            ("step=x", STEP),
            ("from=0&to=4102444800", MANY),
            ("from=0&to=90061&step=60", MANY),
        ] {
            assert_eq!(asked(query), Err(wrong), "{query}");
        }
        for before in ["0", "-86400", "60", "86401", "316224900", "x", ""] {
            let query = format!("before={before}");
            assert_eq!(asked(&query).and_then(|it| it.before(Some(&query))), Err(BEFORE), "{before}");
        }
        assert_eq!(asked("step=3600").and_then(|it| it.before(Some("before=900"))), Err(BEFORE));
    }
}
