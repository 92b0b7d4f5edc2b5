use super::*;

const START: f64 = 1_000_000.0;

fn found(count: u64, took: u64) -> Found {
    let what = "10.0.0.5:5432".to_owned();
    Found { count, took, worst: 9_000_000, what, ..Found::once(Finding::BlockedLoop, 1, 1_000_000_500, 0) }
}

#[expect(clippy::unnecessary_wraps, reason = "as the ledger asks for names, some of which are not told yet")]
fn name(place: usize) -> Option<String> {
    Some(format!("views.number{place}"))
}

fn counts(ledger: &Ledger) -> Vec<(String, u64)> {
    ledger.all().iter().map(|entry| (format!("{} {}", entry.about.view, entry.about.place), entry.count)).collect()
}

#[test]
fn what_workers_told_is_added_up_and_nothing_twice() {
    let mut ledger = Ledger::default();
    let (mut first, mut second) = (Heard::default(), Heard::default());
    ledger.hear(&mut first, vec![found(2, 20_000_000)], name);
    ledger.hear(&mut first, vec![found(2, 20_000_000)], name);
    ledger.hear(&mut second, vec![found(1, 4_000_000)], name);
    ledger.hear(&mut first, vec![found(3, 30_000_000)], name);
    assert_eq!(counts(&ledger), [("views.number1 ".to_owned(), 4)]);
    let entry = ledger.all()[0];
    assert_eq!((entry.typical(), entry.worst), (8_500_000, 9_000_000));
    assert_eq!((entry.first, entry.last), (1_000_000.5, 1_000_000.5));
    assert_eq!(ledger.totals(), [("blocked-loop", "views.number1", 4)]);
    // Another process begins from nothing, and so does another finding in the same place.
    ledger.hear(&mut Heard::default(), vec![found(1, 1)], name);
    ledger.hear(&mut first, vec![Found { view: 2, ..found(1, 1) }], name);
    assert_eq!(counts(&ledger), [("views.number1 ".to_owned(), 5), ("views.number2 ".to_owned(), 1)]);
}

#[test]
fn a_view_that_has_no_name_yet_is_waited_for() {
    let mut ledger = Ledger::default();
    let mut heard = Heard::default();
    ledger.hear(&mut heard, vec![found(2, 2)], |_| None);
    ledger.hear(&mut heard, vec![found(3, 3)], |_| None);
    assert_eq!(counts(&ledger), []);
    ledger.hear(&mut heard, vec![found(3, 3)], name);
    assert_eq!(counts(&ledger), [("views.number1 ".to_owned(), 3)]);
}

#[test]
fn a_place_that_comes_to_be_known_is_that_of_the_same_finding() {
    let mut ledger = Ledger::default();
    let mut heard = Heard::default();
    ledger.hear(&mut heard, vec![found(1, 1)], name);
    let id = ledger.all()[0].id();
    ledger.hear(&mut heard, vec![Found { place: "views.py:41 search".into(), ..found(3, 3) }], name);
    assert_eq!(counts(&ledger), [("views.number1 views.py:41 search".to_owned(), 3)]);
    assert_eq!(ledger.all()[0].id(), id);
}

fn symptom(strength: f64) -> Vec<Symptom> {
    let about =
        About { kind: Kind::TooFewThreads, view: "a".into(), other_view: "".into(), place: "".into(), what: "".into() };
    vec![Symptom { about, strength, took: 7_000_000, number: 12 }]
}

#[test]
fn a_symptom_begins_when_it_is_strong_and_ends_when_it_is_weak() {
    let mut ledger = Ledger::default();
    for (second, strength) in [(0, 0.9), (1, 1.0), (2, 0.6), (3, 0.5), (4, 0.4), (7, 0.9)] {
        ledger.judge(symptom(strength), START + f64::from(second));
    }
    let entry = ledger.all()[0];
    assert_eq!((entry.count, entry.first, entry.last), (3, START + 1.0, START + 3.0));
    assert!(entry.is_active(START + 60.0) && !entry.is_active(START + 90.0));
}

#[test]
fn the_log_hears_of_each_once_and_not_of_all_at_once() {
    let mut ledger = Ledger::default();
    let many: Vec<_> = (0..7).map(|view| Found { view, ..found(1, 1_000_000) }).collect();
    let mut heard = Heard::default();
    ledger.hear(&mut heard, many.clone(), name);
    assert_eq!(ledger.lines(1.0).len(), 5);
    assert_eq!(ledger.lines(10.0).len(), 1);
    ledger.hear(&mut heard, many, name);
    assert_eq!(ledger.lines(100.0).len(), 1);
    assert_eq!(ledger.lines(100.0), Vec::<String>::new());
}

#[test]
fn the_one_not_seen_for_longest_gives_way() {
    let mut ledger = Ledger::default();
    for view in 0..=MOST as u64 {
        let told = Found { view: view as usize, last: 1_000_000_000 + view, ..found(1, 1) };
        ledger.hear(&mut Heard::default(), vec![told], name);
    }
    assert_eq!(ledger.all().len(), MOST);
    assert_eq!(ledger.all().iter().filter(|entry| &*entry.about.view == "views.number0").count(), 0);
}

#[test]
fn each_kind_is_a_sentence_with_its_figures_and_one_line() {
    let about = |kind| About {
        kind,
        view: "v\nw".into(),
        other_view: "other".into(),
        place: "views.py:41 search".into(),
        what: "10.0.0.5:5432".into(),
    };
    let kinds = Finding::ALL.map(Kind::Told).into_iter();
    for kind in kinds.chain([Kind::HungryNeighbour, Kind::GilConvoy, Kind::TooFewThreads]) {
        let entry = Entry {
            about: about(kind),
            count: 2,
            first: START,
            last: START,
            took: 82_000_000,
            worst: 1_500_000_000,
            number: 12,
            is_said: false,
        };
        let (text, advice) = (entry.text(), entry.advice());
        assert!(text.contains("41.0 ms") && text.contains("1.5 s") && text.contains("v w"), "{text}");
        for text in [text, advice] {
            assert!(text.ends_with('.') && !text.contains('\n') && !text.contains("  "), "{text:?}");
        }
    }
}
