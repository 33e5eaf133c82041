//! Families of metrics, all named `imgate_…` and in one registry.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Makes and registers families, all with the prefix `imgate_`.
pub(crate) struct Families<'a> {
    registry: &'a Registry,
}

impl<'a> Families<'a> {
    pub(crate) fn of(registry: &'a Registry) -> Self {
        Self { registry }
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(Opts::new(name, help).namespace("imgate"))?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    pub(crate) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let family = IntCounterVec::new(Opts::new(name, help).namespace("imgate"), labels)?;
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    pub(crate) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let family = IntGaugeVec::new(Opts::new(name, help).namespace("imgate"), labels)?;
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::with_opts(Opts::new(name, help).namespace("imgate"))?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    pub(crate) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::new(name, help)
            .namespace("imgate")
            .buckets(buckets.to_vec());
        let family = HistogramVec::new(opts, labels)?;
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }
}
