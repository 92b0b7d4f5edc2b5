//! `/api/v1/view`: one view over time, and what its slow requests wait for.

use serde::Serialize;
use turnout_states::BINS;

use crate::api::neighbours::{Neighbours, neighbours};
use crate::api::now::Steps;
use crate::api::numbers::{Row, Shares, rounded};
use crate::api::spots::{Spot, spots};
use crate::store::{Bins, SmallBin, Store, Sum, add_bins};

/// Points of a chart: 5 seconds each over the longest window.
const POINTS: usize = 180;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct OneView {
    name: String,
    seconds: u32,
    totals: Row,
    series: Series,
    bins: Vec<Bin>,
    spots: Vec<Spot>,
    neighbours: Neighbours,
}

/// By step. Times are mean milliseconds a request, `None` where none ended.
#[derive(Debug, Default, Serialize)]
struct Series {
    step: u32,
    time: Vec<f64>,
    rps: Vec<f64>,
    processing: Vec<Option<f64>>,
    cpu: Vec<Option<f64>>,
    io: Vec<Option<f64>>,
    p95: Vec<Option<f64>>,
}

/// Requests that took from so many milliseconds to so many, and the shares of their time.
#[derive(Debug, Serialize)]
struct Bin {
    from: f64,
    to: f64,
    requests: u64,
    #[serde(flatten)]
    shares: Shares,
}

/// Of the last so many seconds; `None` if there is no such view.
pub(crate) fn view(store: &Store, name: &str, seconds: u32) -> Option<OneView> {
    let place = store.place(name)?;
    let steps = Steps::new(store.at, seconds, POINTS);
    let mut total = Sum::default();
    let mut covered = 0.0;
    let mut bins: Bins = [(0, [0.0; 3]); BINS];
    let mut sums = vec![(0.0, Sum::default()); steps.count];
    for sample in store.window(seconds.into()) {
        covered += sample.span;
        let mut step = steps.of(sample).map(|step| &mut sums[step]);
        if let Some((span, _)) = &mut step {
            *span += sample.span;
        }
        let Some(slice) = sample.view(place) else { continue };
        total.add(slice);
        add_bins(&mut bins, slice);
        if let Some((_, sum)) = step {
            sum.add(slice);
        }
    }
    // From the first that was looked at: a young server has no past.
    let first = sums.iter().position(|(span, _)| *span > 0.0).unwrap_or(0);
    let mut series = Series { step: steps.length, ..Series::default() };
    for (number, (span, sum)) in sums.iter().enumerate().skip(first) {
        series.time.push(steps.start + f64::from(steps.length) * number as f64);
        series.push(*span, sum);
    }
    let trend = sums.iter().skip(first).map(|(span, sum)| sum.states().map(|state| rounded(state / span.max(1.0))));
    let totals = Row::new(name, &total, covered, thinned(&trend.collect::<Vec<_>>()));
    let neighbours = neighbours(store, place, seconds);
    let spots = spots(store, place, seconds, &total.times);
    Some(OneView { name: name.to_owned(), seconds, totals, series, bins: filled(&bins), spots, neighbours })
}

impl Series {
    fn push(&mut self, span: f64, sum: &Sum) {
        let any = sum.requests > 0;
        let each = sum.requests.max(1) as f64;
        let [processing, cpu, io] = sum.states().map(|state| any.then(|| rounded(state * 1e3 / each)));
        self.rps.push(rounded(sum.requests as f64 / span.max(1.0)));
        self.processing.push(processing);
        self.cpu.push(cpu);
        self.io.push(io);
        self.p95.push(sum.quantile(0.95));
    }
}

/// From the first to the last that is not empty.
fn filled(bins: &Bins) -> Vec<Bin> {
    let first = bins.iter().position(|(requests, _)| *requests > 0).unwrap_or(BINS);
    let last = bins.iter().rposition(|(requests, _)| *requests > 0).map_or(first, |last| last + 1);
    (first..last)
        .map(|place| {
            let (requests, states) = bins[place];
            let (from, to) = SmallBin::ends(place);
            let shares = if requests > 0 { Shares::of(states) } else { Shares { processing: 0.0, cpu: 0.0, io: 0.0 } };
            Bin { from, to, requests, shares }
        })
        .collect()
}

/// A trend has at most a third of the points of a chart: means of three.
fn thinned(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let each = points.len().div_ceil(60).max(1);
    let mean = |points: &[[f64; 3]]| {
        std::array::from_fn(|state| rounded(points.iter().map(|point| point[state]).sum::<f64>() / points.len() as f64))
    };
    points.chunks(each).map(mean).collect()
}
