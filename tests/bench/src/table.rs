//! Figures by row, contender and round, and the Markdown they become.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::contender::Contender;

/// The figures of one row: per contender one for each round, none where the round was spoilt.
#[derive(Debug, Default)]
pub(crate) struct Row {
    figures: BTreeMap<Contender, Vec<Option<f64>>>,
    problems: Vec<String>,
}

impl Row {
    /// Notes a round's figure, or why there is none.
    pub(crate) fn note(&mut self, contender: Contender, figure: anyhow::Result<f64>) {
        let figures = self.figures.entry(contender).or_default();
        match figure {
            Ok(figure) => figures.push(Some(figure)),
            Err(error) => {
                figures.push(None);
                self.problems
                    .push(format!("{}: {error:#}", contender.name()));
            }
        }
    }

    /// Median, least and most.
    fn cell(&self, contender: Contender) -> String {
        match self.figures.get(&contender) {
            None => String::new(),
            Some(figures) => spread(figures.iter().flatten().copied().collect()),
        }
    }

    /// The ratio to another contender: of figures of the same round only.
    fn ratio(&self, contender: Contender, to: Contender) -> String {
        let none = Vec::new();
        let of = |who| self.figures.get(&who).unwrap_or(&none);
        let ratios = of(contender)
            .iter()
            .zip(of(to))
            .filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?))
            .collect();
        spread_with(ratios, 2)
    }
}

fn spread(figures: Vec<f64>) -> String {
    spread_with(figures, 1)
}

/// `median (least – most)`.
pub(crate) fn spread_with(mut figures: Vec<f64>, digits: usize) -> String {
    figures.sort_by(f64::total_cmp);
    match (median(&figures), figures.first(), figures.last()) {
        (Some(median), Some(least), Some(most)) if figures.len() > 1 => {
            format!("**{median:.digits$}** ({least:.digits$} – {most:.digits$})")
        }
        (Some(median), ..) => format!("**{median:.digits$}**"),
        _ => "–".to_owned(),
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(*sorted.get(middle - 1)?, upper)
    })
}

/// A table with a column per contender and the ratios of the gate to others.
pub(crate) fn markdown(
    title: &str,
    rows: &[(String, Row)],
    contenders: &[Contender],
    ratios: &[(Contender, Contender)],
) -> String {
    let mut text = format!("| {title} |");
    for contender in contenders {
        let _ = write!(text, " {} |", contender.name());
    }
    for (contender, to) in ratios {
        let _ = write!(text, " {} ÷ {} |", contender.name(), to.name());
    }
    text.push_str("\n|");
    text.push_str(&" --- |".repeat(1 + contenders.len() + ratios.len()));
    text.push('\n');
    for (name, row) in rows {
        let _ = write!(text, "| {name} |");
        for contender in contenders {
            let _ = write!(text, " {} |", row.cell(*contender));
        }
        for (contender, to) in ratios {
            let compared = row.figures.contains_key(contender) && row.figures.contains_key(to);
            let ratio = compared.then(|| row.ratio(*contender, *to));
            let _ = write!(text, " {} |", ratio.unwrap_or_default());
        }
        text.push('\n');
    }
    text.push('\n');
    for (name, row) in rows {
        for problem in &row.problems {
            let _ = writeln!(text, "- no figure in one round of {name}: {problem}");
        }
    }
    if rows.iter().any(|(_, row)| !row.problems.is_empty()) {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn ratios_compare_within_a_round_only() {
        let mut row = Row::default();
        for (ours, theirs) in [(10.0, Some(20.0)), (40.0, Some(40.0)), (9.0, None)] {
            row.note(Contender::Imgate, Ok(ours));
            row.note(
                Contender::Haproxy,
                theirs.ok_or_else(|| anyhow!("2 failures")),
            );
        }
        assert_eq!(row.cell(Contender::Imgate), "**10.0** (9.0 – 40.0)");
        assert_eq!(
            row.ratio(Contender::Imgate, Contender::Haproxy),
            "**0.75** (0.50 – 1.00)"
        );
        let text = markdown("x", &[("r".to_owned(), row)], &[Contender::Haproxy], &[]);
        assert!(text.contains("- no figure in one round of r: HAProxy: 2 failures"));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }
}
