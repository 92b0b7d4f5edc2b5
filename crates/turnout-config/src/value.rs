//! The texts of values: durations, sizes, counts, switches. An error says what is wrong and what would be right.

use std::time::Duration;

/// Why a value was refused; follows "`--flag value`: ".
pub(crate) type Refused = String;

/// Longer than anybody means: a slip of a unit, and far from where clocks overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// `30s`, `500ms`, `1.5m`, `2h`, `1d`; `0` needs no unit.
pub(crate) fn duration(text: &str) -> Result<Duration, Refused> {
    match any_duration(text)? {
        duration if duration <= LONGEST => Ok(duration),
        _ => Err("longer than 30 days".into()),
    }
}

/// A duration from so many days to so many.
pub(crate) fn days(text: &str, least: u32, most: u32) -> Result<Duration, Refused> {
    let days = |number: u32| Duration::from_secs(u64::from(number) * 24 * 3600);
    let duration = any_duration(text)?;
    let fits = (days(least)..=days(most)).contains(&duration);
    if fits { Ok(duration) } else { Err(format!("must be from {least}d to {most}d")) }
}

fn any_duration(text: &str) -> Result<Duration, Refused> {
    const HINT: &str = "a duration is a number and a unit, such as 500ms, 30s, 5m or 1h";
    let (number, unit) = split(text);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" if number.parse() == Ok(0.0) => 1.0,
        "" => return Err(format!("the unit is missing: {HINT}")),
        _ => return Err(HINT.into()),
    };
    let number: f64 = number.parse().map_err(|_| HINT.to_owned())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| "longer than time itself".into())
}

/// A duration where nothing at all makes no sense.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, Refused> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".into()),
        duration => Ok(duration),
    }
}

/// A duration, or `0`, `off`, `never` for none.
pub(crate) fn duration_or_never(text: &str) -> Result<Option<Duration>, Refused> {
    if matches!(text, "off" | "never") {
        return Ok(None);
    }
    Ok(Some(duration(text)?).filter(|duration| !duration.is_zero()))
}

/// `/shop`, as a path reads once its escapes are undone; a slash at its end is dropped.
pub(crate) fn prefix(text: &str) -> Result<String, Refused> {
    let prefix = text.trim_end_matches('/');
    if !prefix.is_empty() && !prefix.starts_with('/') {
        return Err("must begin with a slash".into());
    }
    if prefix.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Err("has a part that is empty, . or ..".into());
    }
    if prefix.contains(['%', '?', '#']) || prefix.contains(char::is_control) {
        return Err("is a path as it reads once its escapes are undone: without %, ? and #".into());
    }
    Ok(prefix.to_owned())
}

/// Names or addresses of hosts, as they stand in a URL, without a port. In lower case, without brackets.
pub(crate) fn host_names(names: Vec<String>) -> Result<Vec<String>, Refused> {
    let name = |text: String| {
        let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits = address.parse::<std::net::Ipv6Addr>().is_ok() || (!text.is_empty() && text.bytes().all(letters));
        fits.then(|| address.to_ascii_lowercase())
    };
    let hint = "a name is that of one host, without scheme, port and path, such as admin.example.com";
    names.into_iter().map(name).collect::<Option<_>>().ok_or_else(|| hint.into())
}

/// `65536`, `64KiB`, `10MB`, `1GiB`.
pub(crate) fn size(text: &str) -> Result<u64, Refused> {
    const HINT: &str = "a size is a number of bytes, or a number and a unit, such as 64KiB or 10MB";
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return Err(HINT.into()),
    };
    let number: u64 = number.parse().map_err(|_| HINT.to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than a computer can have".into())
}

/// A size with bounds.
pub(crate) fn size_within(text: &str, least: u64, most: u64) -> Result<u64, Refused> {
    let size = size(text)?;
    if (least..=most).contains(&size) { Ok(size) } else { Err(format!("must be from {least} to {most} bytes")) }
}

/// A size, or `0`, `off`, `unlimited` for none.
pub(crate) fn size_or_unlimited(text: &str) -> Result<Option<u64>, Refused> {
    if matches!(text, "off" | "unlimited") {
        return Ok(None);
    }
    Ok(Some(size(text)?).filter(|size| *size != 0))
}

/// A whole number with bounds.
pub(crate) fn count(text: &str, least: u32, most: u32) -> Result<u32, Refused> {
    let hint = || format!("must be a whole number from {least} to {most}");
    let number: u32 = text.parse().map_err(|_| hint())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(hint()) }
}

/// The cores this process may use; the standard library reads affinity and cgroup quotas.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |it| u32::try_from(it.get()).unwrap_or(u32::MAX))
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Refused> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        format!("must be one of {}", words.join(", "))
    })
}

/// A switch, as a variable or after `=`.
pub(crate) fn switch(text: &str) -> Result<bool, Refused> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

fn split(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0.5ms"), Ok(Duration::from_micros(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("30d"), Ok(LONGEST));
        assert!(duration("31d").is_err_and(|text| text.contains("30 days")));
        assert_eq!(days("90d", 1, 3660), Ok(3 * LONGEST));
        assert_eq!(days("48h", 1, 3660), Ok(Duration::from_secs(48 * 3600)));
        for bad in ["23h", "3661d", "0", "30", "d"] {
            assert!(days(bad, 1, 3660).is_err(), "{bad}");
        }
        assert!(duration("30").is_err_and(|text| text.contains("unit is missing")));
        for bad in ["", "s", "-1s", "1e3s", "1..2s", "10 parsecs", "99999h", "١s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn never_is_a_duration_where_it_makes_sense() {
        assert_eq!(duration_or_never("off"), Ok(None));
        assert_eq!(duration_or_never("0"), Ok(None));
        assert_eq!(duration_or_never("1m"), Ok(Some(Duration::from_secs(60))));
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn a_host_is_a_name_and_nothing_more() {
        let names = ["Admin.Example", "10.1.2.3", "[::1]", "::1", "xn--bcher-kva.example"].map(str::to_owned).to_vec();
        assert_eq!(
            host_names(names),
            Ok(["admin.example", "10.1.2.3", "::1", "::1", "xn--bcher-kva.example"].map(str::to_owned).to_vec())
        );
        for bad in ["", "http://a", "a:80", "a/b", "*.example", "bücher.example", "[a]", "a b"] {
            assert!(host_names(vec![bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_units() {
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert_eq!(size("1 GiB"), Ok(1 << 30));
        for bad in ["", "KiB", "1.5KiB", "-1", "1TB?", "99999999999999999999", "18446744073709551615GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(size_or_unlimited("unlimited"), Ok(None));
        assert!(size_within("1", 512, 1024).is_err());
    }
}
