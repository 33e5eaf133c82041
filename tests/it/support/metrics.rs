//! The Prometheus text format, as far as a test asks it.

/// One scrape.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) text: String,
}

impl Metrics {
    /// The sum of the series of this name that have all these labels; 0 when there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name)
            .filter(|(found, _)| {
                labels
                    .iter()
                    .all(|(key, value)| has_label(found, key, value))
            })
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether a family of this name is exposed, with or without series.
    pub(crate) fn has(&self, name: &str) -> bool {
        let prefix = format!("# TYPE {name} ");
        self.text.lines().any(|line| line.starts_with(&prefix))
    }

    /// Labels (as text) and value of each series.
    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.text.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.parse().expect("a number")))
        })
    }
}

fn has_label(labels: &str, key: &str, value: &str) -> bool {
    let wanted = format!("{key}=\"{value}\"");
    labels
        .split("\",")
        .any(|label| label.trim_end_matches('"') == wanted.trim_end_matches('"'))
}
