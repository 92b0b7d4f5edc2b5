//! JSON that stays bytes: what is let in, what is found in it, and what many answers become.
#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use turnout_client::Cpu;
use turnout_client::json::{Kind, Lazy, Limits, Merge, Order, Pointer, Select, Source, merge};

fn lazy(text: &str) -> Lazy {
    Lazy::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default()).unwrap()
}

fn refused(text: &[u8]) -> String {
    Lazy::parse(Bytes::copy_from_slice(text), Limits::default()).unwrap_err().message().to_owned()
}

fn text(value: &Lazy) -> String {
    String::from_utf8(value.bytes().to_vec()).unwrap()
}

fn pointer(path: &str) -> Pointer {
    Pointer::parse(path).unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect()
}

#[test]
fn a_fault_is_told_by_line_and_column() {
    for (body, what) in [
        ("", "a value is expected at line 1, column 1"),
        (" \n\t", "a value is expected at line 2, column 2"),
        ("[1,]", "a value is expected at line 1, column 4"),
        ("[1 2]", "',' or ']' is expected at line 1, column 4"),
        ("{\"a\" 1}", "':' is expected at line 1, column 6"),
        ("{\"a\":1,}", "a key in double quotes is expected at line 1, column 8"),
        ("{\"a\":1", "',' or '}' is expected at line 1, column 7"),
        ("[1}", "',' or ']' is expected at line 1, column 3"),
        ("{}]", "nothing more is expected at line 1, column 3"),
        ("[\n\"é\", nul]", "a value is expected at line 2, column 6"),
        ("NaN", "NaN and Infinity are no JSON numbers; a value is expected at line 1, column 1"),
        ("[-Infinity]", "a digit is expected at line 1, column 3"),
        ("01", "nothing more is expected at line 1, column 2"),
        ("1.", "a digit is expected at line 1, column 3"),
        ("1e+", "a digit is expected at line 1, column 4"),
        ("\"a\nb\"", "a control character must be escaped, but stands bare at line 1, column 3"),
        ("[\"abc", "a string has no end; it begins at line 1, column 2"),
        ("\"\\x\"", "there is no such escape at line 1, column 2"),
        ("\"\\u12\"", "four hexadecimal digits are expected behind '\\u' at line 1, column 2"),
    ] {
        assert_eq!(refused(body.as_bytes()), format!("the upstream's body is not JSON: {what}"), "{body}");
    }
    assert_eq!(refused(b"[\"\xFF\"]"), "the upstream's body is not JSON: byte 2 is not UTF-8");
}

#[test]
fn depth_and_nodes_have_limits() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(Lazy::parse(nested(200).into(), Limits::default()).is_ok());
    assert!(refused(&nested(201)).contains("nested too deeply"));
    assert!(refused(&vec![b'['; 1 << 20]).contains("nested too deeply"));
    let limits = Limits { nodes: 4, ..Limits::default() };
    assert!(Lazy::parse(Bytes::from_static(b"[1,2,3]"), limits).is_ok());
    let error = Lazy::parse(Bytes::from_static(b"[1,2,3,4]"), limits).unwrap_err();
    assert!(error.message().contains("too many values at line 1, column 8"), "{error}");
}

#[test]
fn pointers_find_what_rfc_6901_says() {
    let document = lazy(
        r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"twice":1,"twice":2}"#,
    );
    for (path, found) in [
        ("/foo", Some(r#"["bar","baz"]"#)),
        ("/foo/0", Some(r#""bar""#)),
        ("/", Some("0")),
        ("/a~1b", Some("1")),
        ("/c%d", Some("2")),
        ("/e^f", Some("3")),
        ("/g|h", Some("4")),
        ("/i\\j", Some("5")),
        ("/k\"l", Some("6")),
        ("/ ", Some("7")),
        ("/m~0n", Some("8")),
        ("/twice", Some("2")),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/00", None),
        ("/foo/+1", None),
        ("/foo/0/x", None),
        ("/nothing", None),
    ] {
        assert_eq!(document.pointer(&pointer(path)).as_ref().map(text).as_deref(), found, "{path}");
        assert_eq!(pointer(path).to_string(), path);
    }
    assert_eq!(text(&document.pointer(&pointer("")).unwrap()), text(&document));
    for wrong in ["foo", "/a~", "/a~2", "#/foo"] {
        assert!(Pointer::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_value_knows_what_it_is_and_holds() {
    let document =
        lazy("\u{feff}{\"caf\\u00e9\": [1, -2.5, \"x\", null, true, false, {}], \"n\": 12345678901234567890.10}");
    assert_eq!(document.kind(), Kind::Object);
    assert_eq!(document.names(), ["café", "n"]);
    assert_eq!(document.len(), Some(2));
    let list = document.get("café").unwrap();
    assert_eq!(list.len(), Some(7));
    let kinds = (0..7).map(|at| list.at(at).unwrap().kind()).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Int, Kind::Float, Kind::Plain, Kind::Null, Kind::True, Kind::False, Kind::Object]);
    assert!(list.at(6).unwrap().is_empty() && !list.is_empty());
    assert_eq!(text(&document.get("n").unwrap()), "12345678901234567890.10");
    assert!(document.at(0).is_none() && list.get("café").is_none() && list.at(7).is_none());
}

#[test]
fn select_takes_a_part_without_touching_it() {
    let document = lazy(r#"{"data": {"offers": [ {"id":1.50} ]}}"#);
    let select = Select { target: pointer("/data/offers"), ..Select::default() };
    assert_eq!(text(&select.apply(&document).unwrap()), r#"[ {"id":1.50} ]"#);
    let nowhere = Select { target: pointer("/data/rates"), ..Select::default() };
    assert_eq!(nowhere.apply(&document).unwrap_err().message(), "the upstream's JSON has nothing at \"/data/rates\"");
}

#[test]
fn select_leaves_out_and_renames() {
    let document = lazy(r#"[{"a":1, "b":{"a":2}, "c":3}, 4, [{"a":5}]]"#);
    let select = |allow: &[&str], deny: &[&str], rename: &[(&str, &str)]| {
        let select =
            Select { target: Pointer::default(), allow: names(allow), deny: names(deny), rename: pairs(rename) };
        text(&select.apply(&document).unwrap())
    };
    assert_eq!(select(&["a"], &[], &[]), r#"[{"a":1},4,[{"a":5}]]"#);
    assert_eq!(select(&[], &["a", "c"], &[]), r#"[{"b":{"a":2}},4,[{"a":5}]]"#);
    assert_eq!(select(&["a", "b"], &["b"], &[("a", "x\n")]), r#"[{"x\n":1},4,[{"a":5}]]"#);
    // Two swap their names; a third has to give way to one that gets its name.
    assert_eq!(select(&[], &["b"], &[("a", "c"), ("c", "a")]), r#"[{"c":1,"a":3},4,[{"a":5}]]"#);
    assert_eq!(select(&[], &[], &[("a", "c")]), r#"[{"c":1,"b":{"a":2}},4,[{"a":5}]]"#);
    assert_eq!(select(&[], &[], &[("none", "c")]), r#"[{"a":1,"b":{"a":2},"c":3},4,[{"a":5}]]"#);
    assert_eq!(select(&["x"], &[], &[]), r#"[{},4,[{"a":5}]]"#);
}

#[tokio::test]
async fn what_is_large_is_read_and_cut_elsewhere_with_the_same_result() {
    let rows = (0..5000).map(|n| format!(r#"{{"id":{n},"name":"hotel {n}"}}"#)).collect::<Vec<_>>().join(",");
    let (cpu, select) =
        (Cpu::default(), Select { target: pointer("/rows"), allow: names(&["id"]), ..Select::default() });
    for body in [format!(r#"{{"rows":[{rows}]}}"#), r#"{"rows":[{"id":1,"name":2}]}"#.to_owned()] {
        let there = Lazy::parse_on(&cpu, body.clone().into(), Limits::default()).await.unwrap();
        assert_eq!(text(&there), body);
        let cut = select.apply_on(&cpu, &there).await.unwrap();
        assert_eq!(text(&cut), text(&select.apply(&lazy(&body)).unwrap()));
        assert!(!text(&cut).contains("hotel"));
    }
    let broken = Lazy::parse_on(&cpu, vec![b'['; 100_000].into(), Limits::default()).await.unwrap_err();
    assert!(broken.message().contains("nested too deeply"), "{broken}");
}

/// Booking calls its price otherwise, expedia hides its list, and hotels.com has found nothing.
fn three() -> [(&'static str, Lazy, Select); 3] {
    let rename = Select { target: pointer("/result"), rename: pairs(&[("price_total", "price")]), ..Select::default() };
    let deep = Select { target: pointer("/data/offers"), deny: names(&["secret"]), ..Select::default() };
    [
        ("booking", lazy(r#"{"result":[{"id":1,"price_total":99.90},{"id":2,"price_total":100.0},{"id":3}]}"#), rename),
        ("expedia", lazy(r#"{"data":{"offers":[{"id":4,"price":99.9,"secret":1},{"id":5,"price":"ask"}]}}"#), deep),
        ("hotels", lazy(r#"{"offers":null}"#), Select::default()),
    ]
}

fn merged(how: &Merge) -> String {
    let sources = three();
    let sources: Vec<Source<'_>> = sources
        .iter()
        .map(|(name, value, select)| Source { name, value: value.clone(), select: Some(select) })
        .collect();
    text(&merge(&sources, how).unwrap())
}

#[test]
fn answers_become_one_array() {
    let plain = Merge { concat: Some("offers".into()), ..Merge::default() };
    assert_eq!(
        merged(&plain),
        r#"{"offers":[{"id":1,"price":99.90},{"id":2,"price":100.0},{"id":3},{"id":4,"price":99.9},{"id":5,"price":"ask"}]}"#
    );
    let sorted = Merge {
        group_as: Some("source".into()),
        sort_by: Some(pointer("/price")),
        order: Order::Descending,
        limit: Some(4),
        also: vec![("report".into(), lazy(r#"{"booking": "ok"}"#))],
        ..plain
    };
    assert_eq!(
        merged(&sorted),
        concat!(
            r#"{"offers":[{"source":"expedia","id":5,"price":"ask"},{"source":"booking","id":2,"price":100.0},"#,
            r#"{"source":"booking","id":1,"price":99.90},{"source":"expedia","id":4,"price":99.9}],"report":{"booking": "ok"}}"#
        )
    );
    let ascending = Merge { order: Order::Ascending, limit: Some(2), also: Vec::new(), ..sorted };
    assert_eq!(
        merged(&ascending),
        r#"{"offers":[{"source":"booking","id":1,"price":99.90},{"source":"expedia","id":4,"price":99.9}]}"#
    );
}

#[test]
fn without_concat_each_source_has_its_name() {
    assert_eq!(
        merged(&Merge::default()),
        concat!(
            r#"{"booking":[{"id":1,"price":99.90},{"id":2,"price":100.0},{"id":3}],"#,
            r#""expedia":[{"id":4,"price":99.9},{"id":5,"price":"ask"}],"hotels":{"offers":null}}"#
        )
    );
    let limited = Merge { limit: Some(1), ..Merge::default() };
    let error = merge(&[], &limited).unwrap_err();
    assert_eq!(error.message(), "group_as, sort_by and limit need concat, the name of the merged array");
}

#[test]
fn a_group_replaces_a_field_of_its_name() {
    let value = lazy(r#"[{"source":"theirs","a":1},{"a":2},{},{ "b" : 3 }]"#);
    let rename = Select { rename: pairs(&[("a", "source")]), ..Select::default() };
    let how = Merge { concat: Some("all".into()), group_as: Some("source".into()), ..Merge::default() };
    let with = |select| text(&merge(&[Source { name: "o\"urs", value: value.clone(), select }], &how).unwrap());
    assert_eq!(
        with(None),
        r#"{"all":[{"source":"o\"urs","a":1},{"source":"o\"urs","a":2},{"source":"o\"urs"},{"source":"o\"urs", "b" : 3 }]}"#
    );
    assert_eq!(
        with(Some(&rename)),
        r#"{"all":[{"source":"o\"urs"},{"source":"o\"urs"},{"source":"o\"urs"},{"source":"o\"urs","b":3}]}"#
    );
}

#[test]
fn what_cannot_be_merged_is_told_with_its_source() {
    let how = Merge { concat: Some("all".into()), ..Merge::default() };
    let with = |body: &str, how: &Merge, select: Option<&Select>| {
        let source = Source { name: "booking", value: lazy(body), select };
        merge(&[source], how).unwrap_err().message().to_owned()
    };
    let nowhere = Select { target: pointer("/x"), ..Select::default() };
    assert_eq!(
        with("{\"a\":1}", &how, None),
        "\"booking\" has no array to concat, and none under \"all\": say where with Select(target=...)"
    );
    assert_eq!(with("{}", &how, Some(&nowhere)), "\"booking\": the upstream's JSON has nothing at \"/x\"");
    let grouped = Merge { group_as: Some("source".into()), ..how };
    assert_eq!(with("[{},1]", &grouped, None), "group_as needs objects, but an element of \"booking\" is none");
}

#[test]
fn sorting_keeps_digits_that_a_double_loses_and_the_order_of_equals() {
    let value = lazy(
        r#"[{"k":9007199254740993,"n":0},{"k":9007199254740992,"n":1},{"k":null,"n":2},{"n":3},{"k":"b","n":4},
            {"k":"\u0061","n":5},{"k":true,"n":6},{"k":[0],"n":7},{"k":1e400,"n":8},{"k":9007199254740992.0,"n":9}]"#,
    );
    let order = |order| {
        let how = Merge { concat: Some("all".into()), sort_by: Some(pointer("/k")), order, ..Merge::default() };
        let merged = merge(&[Source { name: "a", value: value.clone(), select: None }], &how).unwrap();
        let all = merged.get("all").unwrap();
        (0..10).map(|at| text(&all.at(at).unwrap().get("n").unwrap())).collect::<String>()
    };
    assert_eq!(order(Order::Ascending), "1908546237");
    assert_eq!(order(Order::Descending), "6458019237");
}

/// Any JSON value, and how it is written: with the white space and the escapes that are allowed anywhere.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((".{0,5}", inner), 0..8).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

/// Rebuilds a value by the index alone.
fn rebuilt(value: &Lazy) -> Value {
    match value.kind() {
        Kind::Array => (0..value.len().unwrap()).map(|at| rebuilt(&value.at(at).unwrap())).collect(),
        Kind::Object => {
            value.names().into_iter().map(|name| (name.clone(), rebuilt(&value.get(&name).unwrap()))).collect()
        }
        _ => serde_json::from_slice(&value.bytes()).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_is_found_where_it_is(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(rebuilt(&lazy(&text)), value);
    }

    /// Texts of JSON's own characters, most of them broken: ours and serde's judgement are the same.
    #[test]
    fn what_is_json_is_what_serde_calls_json(
        text in prop_oneof![
            r#"[\[\]{}:,"\\ \n0-9eE.+\-truefalsn/u\x00a]{0,30}"#,
            (any_json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
                let mut text = value.to_string().into_bytes();
                let at = at.index(text.len());
                text[at] = byte;
                String::from_utf8_lossy(&text).into_owned()
            }),
        ]
    ) {
        let theirs = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let ours = Lazy::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default());
        prop_assert_eq!(ours.is_ok(), theirs, "{:?}", ours);
    }

    #[test]
    fn any_bytes_are_json_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let ours = Lazy::parse(bytes.clone().into(), Limits::default()).is_ok();
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let theirs = std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        prop_assert_eq!(ours, theirs);
    }

    /// Whatever is chosen of whatever there is, JSON comes out, and it says the same as doing it with trees.
    #[test]
    fn select_does_what_it_says(
        value in prop::collection::vec(prop::collection::btree_map("[a-d]", any_json(), 0..5), 0..4),
        allow in prop::collection::vec("[a-d]", 0..3),
        deny in prop::collection::vec("[a-d]", 0..2),
        rename in prop::collection::btree_map("[a-d]", "[a-f]", 0..3),
    ) {
        let select = Select {
            target: Pointer::default(),
            allow: allow.clone(),
            deny: deny.clone(),
            rename: rename.clone().into_iter().collect(),
        };
        let ours = select.apply(&lazy(&json!(value).to_string())).unwrap();
        let ours: Value = serde_json::from_slice(&ours.bytes()).unwrap();
        let kept = |name: &String| (allow.is_empty() || allow.contains(name)) && !deny.contains(name);
        let theirs: Value = value
            .iter()
            .map(|fields| {
                let (renamed, own): (Vec<_>, Vec<_>) =
                    fields.iter().filter(|(name, _)| kept(name)).partition(|(name, _)| rename.contains_key(*name));
                let mut object = serde_json::Map::new();
                object.extend(own.into_iter().map(|(name, value)| (name.clone(), value.clone())));
                object.extend(renamed.into_iter().map(|(name, value)| (rename[name].clone(), value.clone())));
                Value::from(object)
            })
            .collect();
        prop_assert_eq!(ours, theirs);
    }
}
