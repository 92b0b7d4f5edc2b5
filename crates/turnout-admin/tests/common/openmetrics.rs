//! A strict reader of the OpenMetrics text format (version 1.0.0), as much of it as is used here: nothing is forgiven.

use std::collections::{BTreeMap, BTreeSet};

/// Families by name.
pub(crate) type Families = BTreeMap<String, Family>;
/// A sample's labels.
pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) unit: String,
    /// Name, labels, value.
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

/// Reads it all, or panics with the line.
pub(crate) fn read(text: &str) -> Families {
    let body = text.strip_suffix("# EOF\n").expect("it ends with its end");
    let mut families = Families::new();
    let mut present = String::new();
    let mut seen = BTreeSet::new();
    for line in body.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match what {
                "TYPE" => {
                    assert!(!families.contains_key(name), "{name} twice");
                    name.clone_into(&mut present);
                    families.insert(name.to_owned(), Family { kind: rest.to_owned(), ..Family::default() });
                }
                "UNIT" => {
                    assert!(name.ends_with(&format!("_{rest}")), "{line}: the unit is no part of the name");
                    rest.clone_into(&mut families.get_mut(&present).unwrap().unit);
                }
                "HELP" => assert_eq!(name, present, "{line}"),
                _ => panic!("no such line: {line}"),
            }
            assert_eq!(name, present, "families are not mixed: {line}");
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
        let family = families.get_mut(&present).unwrap_or_else(|| panic!("of no family: {line}"));
        let suffix = name.strip_prefix(&present).unwrap_or_else(|| panic!("of another family: {line}"));
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            kind => panic!("no such kind: {kind}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        family.samples.push((name, labels, value));
    }
    for family in families.values().filter(|family| family.kind == "histogram") {
        histograms(family);
    }
    families
}

/// Buckets grow, end with +Inf, and that is the count.
fn histograms(family: &Family) {
    let mut last: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
    for (name, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let le = labels.remove("le");
        if name.ends_with("_bucket") {
            let le = le.expect("a bucket has a limit");
            assert!(le == "+Inf" || le.contains('.'), "{le} is not written as a number of the format");
            let limit = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
            let before = last.insert(labels, (limit, *value)).unwrap_or((f64::NEG_INFINITY, 0.0));
            assert!(before.0 < limit && before.1 <= *value, "{name} {le}");
        } else if name.ends_with("_count") {
            assert_eq!(last.get(&labels), Some(&(f64::INFINITY, *value)), "{name}");
        }
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, rest) = line.split_at(end);
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (Labels::new(), rest),
    };
    let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// From behind the opening brace to behind the closing one.
fn labels<'a>(text: &'a str, line: &str) -> (Labels, &'a str) {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().unwrap_or_else(|| panic!("no end of a value: {line}")) {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next() {
                    Some((_, '\\')) => '\\',
                    Some((_, '"')) => '"',
                    Some((_, 'n')) => '\n',
                    other => panic!("no such escape {other:?}: {line}"),
                }),
                (_, letter) => value.push(letter),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{line}");
        rest = &after[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("neither , nor }}: {line}"));
    }
}
