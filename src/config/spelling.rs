//! Names: which may be shown, and which known one a misspelt one probably means.

/// At most this many alternatives are listed in a message.
const LISTED: usize = 10;

/// Whether a text looks like a name, so that a problem may show it: up to 64 letters, digits,
/// `_`, `.`, `-`. Anything else could be a secret that slipped into the wrong place.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The message for something that is none of the `known`. It never shows what was `found`.
pub(super) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let shown: Vec<&str> = known.iter().copied().filter(|name| is_name(name)).collect();
    let few = (2..=LISTED).contains(&shown.len());
    match nearest(found, &shown) {
        Some(nearest) if few => {
            format!(
                "unknown {what}, did you mean `{nearest}`? expected {}",
                list(&shown)
            )
        }
        Some(nearest) => format!("unknown {what}, did you mean `{nearest}`?"),
        None if !shown.is_empty() && shown.len() <= LISTED => {
            format!("unknown {what}, expected {}", list(&shown))
        }
        None => format!("unknown {what}"),
    }
}

/// Such as "`a`, `b` or `c`".
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The known name that `found` is most likely a misspelling of, if it is near enough to one.
pub(super) fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let distances = known.iter().copied().filter_map(|name| {
        let longer = found.chars().count().max(name.len());
        // A third of the letters may be wrong: enough for a slip, too few for another word.
        let allowed = (longer / 3).clamp(1, 3);
        (longer <= 64 && longer > 1)
            .then(|| (distance(found, name), name))
            .filter(|(distance, _)| *distance <= allowed)
    });
    distances.min().map(|(_, name)| name)
}

/// How many single letters were added, left out, exchanged, or swapped with their neighbour (the
/// optimal string alignment distance). `-` and `_` are alike, and so are upper and lower case.
fn distance(found: &str, known: &str) -> usize {
    let plain = |c: char| {
        if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        }
    };
    let found: Vec<char> = found.chars().map(plain).collect();
    let known: Vec<char> = known.chars().map(plain).collect();
    // Rows of the usual table: `row[j]` is the distance of what was seen so far to `known[..j]`.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=known.len()).collect();
    for (i, letter) in found.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in known.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let exchanged = at(&last, j).saturating_add(usize::from(letter != other));
            let removed = at(&last, j + 1).saturating_add(1);
            let added = at(&row, j).saturating_add(1);
            let is_swap = i > 0
                && j > 0
                && found.get(i - 1) == Some(other)
                && known.get(j - 1) == Some(letter);
            let swapped = if is_swap {
                at(&before_last, j - 1).saturating_add(1)
            } else {
                usize::MAX
            };
            row.push(exchanged.min(removed).min(added).min(swapped));
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_proposed() {
        let known = ["address", "connect_timeout", "response_timeout", "url"];
        for (case, found, expected) in [
            ("a letter is missing", "adress", Some("address")),
            ("a letter is too much", "urll", Some("url")),
            ("kebab case", "connect-timeout", Some("connect_timeout")),
            ("upper case", "ADDRESS", Some("address")),
            ("two letters swapped", "adderss", Some("address")),
            ("two of three letters swapped", "ulr", Some("url")),
            ("another word", "password", None),
            ("one letter", "u", None),
            ("empty", "", None),
            ("a long secret", &"address".repeat(100), None),
        ] {
            assert_eq!(nearest(found, &known), expected, "{case}");
        }
    }

    #[test]
    fn distances_are_counted_in_letters() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("kyes", "keys", 1),
            ("abcd", "badc", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} and {b}");
        }
    }

    #[test]
    fn only_what_looks_like_a_name_is_shown() {
        for (text, expected) in [
            ("partner-keys", true),
            ("im.app_key", true),
            ("", false),
            ("two words", false),
            ("pass/word", false),
            ("ключ", false),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(is_name(text), expected, "{text}");
        }
    }
}
