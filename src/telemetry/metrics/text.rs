//! Figures as text: the format of Prometheus (0.0.4), or OpenMetrics 1.0.

use std::fmt::{Display, Write};

use super::Histogram;
use super::count::Counts;
use super::family::{Family, Kind};
use super::histogram::Bounds;

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// What whoever asks would rather have, by their `Accept` field. Prometheus names both, and OpenMetrics only if it wants that.
    pub fn of_accept(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text as it is written, one family after the other.
#[derive(Debug)]
pub struct Text {
    format: Format,
    out: String,
    /// Whose samples are being written.
    family: Option<Family>,
}

impl Text {
    pub fn new(format: Format) -> Self {
        Self { format, out: String::with_capacity(32 * 1_024), family: None }
    }

    /// The samples that follow are of this family.
    pub fn begin(&mut self, family: &Family) {
        self.family = Some(*family);
        let (kind, name) = match (family.kind, self.format) {
            (Kind::Counter, Format::OpenMetrics) => ("counter", family.name.strip_suffix("_total").unwrap_or(family.name)),
            (Kind::Counter, Format::Prometheus) => ("counter", family.name),
            (Kind::Gauge, _) => ("gauge", family.name),
            (Kind::Histogram, _) => ("histogram", family.name),
        };
        self.line(format_args!("# HELP {name} {}", family.help));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One sample of the family that was begun, whose labels have these values, in their order.
    pub fn sample(&mut self, suffix: &str, values: &[&str], number: impl Display) {
        let Some(family) = self.family else { return };
        let labels: Vec<String> = family.labels.iter().zip(values).map(|(name, value)| label(name, value)).collect();
        self.written(suffix, &labels, number);
    }

    /// A family of one number.
    pub fn value(&mut self, family: &Family, number: impl Display) {
        self.begin(family);
        self.sample("", &[], number);
    }

    pub fn counts(&mut self, family: &Family, counts: &Counts) {
        self.begin(family);
        for ((first, second), number) in counts.all() {
            self.sample("", &[first, second], number);
        }
    }

    pub fn histogram(&mut self, family: &Family, histogram: &Histogram) {
        self.begin(family);
        let (classes, sum) = histogram.classes.read(histogram.bounds);
        self.classes(&[], histogram.bounds, &classes, sum);
    }

    /// One histogram of the family that was begun.
    pub(super) fn classes(&mut self, values: &[&str], (bounds, unit): Bounds, classes: &[u64], sum: u64) {
        let Some(family) = self.family else { return };
        let labels: Vec<String> = family.labels.iter().zip(values).map(|(name, value)| label(name, value)).collect();
        for (index, count) in classes.iter().enumerate() {
            let bound = bounds.get(index).map_or_else(|| "+Inf".to_owned(), |bound| format!("{:?}", of_unit(*bound, unit)));
            self.written("_bucket", &[labels.as_slice(), &[label("le", &bound)]].concat(), count);
        }
        self.written("_sum", &labels, of_unit(sum, unit));
        self.written("_count", &labels, classes.last().copied().unwrap_or_default());
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn written(&mut self, suffix: &str, labels: &[String], number: impl Display) {
        let name = self.family.map_or("", |family| family.name);
        if labels.is_empty() {
            self.line(format_args!("{name}{suffix} {number}"));
        } else {
            self.line(format_args!("{name}{suffix}{{{}}} {number}", labels.join(",")));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.out, "{line}");
    }
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[expect(clippy::cast_precision_loss, reason = "a sum of more than 2^53 microseconds is 285 years")]
fn of_unit(value: u64, unit: u32) -> f64 {
    value as f64 / f64::from(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::family;

    #[test]
    fn both_formats_are_written_as_they_are_defined() {
        let counts = Counts::new(4);
        counts.count("password", "success");
        let written = |format| {
            let mut text = Text::new(format);
            text.counts(&family::LOGINS, &counts);
            text.finish()
        };
        let sample = "ostiary_logins_total{method=\"password\",outcome=\"success\"} 1\n";
        let prometheus = written(Format::Prometheus);
        assert!(prometheus.ends_with(&format!("# TYPE ostiary_logins_total counter\n{sample}")), "{prometheus}");
        let open = written(Format::OpenMetrics);
        assert!(open.ends_with(&format!("# TYPE ostiary_logins counter\n{sample}# EOF\n")), "{open}");
    }

    #[test]
    fn a_histogram_has_its_bounds_in_seconds() {
        static TIMES: Histogram = Histogram::new(crate::telemetry::metrics::SECONDS);
        TIMES.observe(700);
        TIMES.observe(1_500_000);
        let mut text = Text::new(Format::Prometheus);
        text.histogram(&family::HASH_TIME, &TIMES);
        let text = text.finish();
        let name = family::HASH_TIME.name;
        for line in [
            format!("{name}_bucket{{le=\"0.0005\"}} 0"),
            format!("{name}_bucket{{le=\"0.001\"}} 1"),
            format!("{name}_bucket{{le=\"1.0\"}} 1"),
            format!("{name}_bucket{{le=\"2.5\"}} 2"),
            format!("{name}_bucket{{le=\"+Inf\"}} 2"),
            format!("{name}_sum 1.5007"),
            format!("{name}_count 2"),
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_value_can_not_break_out_of_its_quotes() {
        assert_eq!(label("a", "b\"\n\\"), r#"a="b\"\n\\""#);
    }

    #[test]
    fn openmetrics_is_for_whoever_asks_for_it() {
        assert_eq!(Format::of_accept("*/*"), Format::Prometheus);
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4";
        assert_eq!(Format::of_accept(prometheus), Format::OpenMetrics);
    }
}
