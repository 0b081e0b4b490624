//! A page of metrics being written: families, and the samples of each.

use std::fmt;

use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
    },
    metrics::MetricType,
    registry::Unit,
};

use crate::platform::counting::Distribution;

pub static BYTES: Unit = Unit::Bytes;
pub static SECONDS: Unit = Unit::Seconds;

pub type Labels<'a> = [(&'a str, &'a str)];

/// Family names come without the common prefix and without their unit.
pub struct Page<'a>(pub DescriptorEncoder<'a>);

pub struct CounterFamily<'a>(MetricEncoder<'a>);
pub struct GaugeFamily<'a>(MetricEncoder<'a>);
pub struct HistogramFamily<'a>(MetricEncoder<'a>);
pub struct InfoFamily<'a>(MetricEncoder<'a>);

impl Page<'_> {
    pub fn counter<'a>(
        &'a mut self,
        name: &'a str,
        help: &str,
    ) -> Result<CounterFamily<'a>, fmt::Error> {
        Ok(CounterFamily(self.0.encode_descriptor(name, help, None, MetricType::Counter)?))
    }

    pub fn counter_in<'a>(
        &'a mut self,
        unit: &'static Unit,
        name: &'a str,
        help: &str,
    ) -> Result<CounterFamily<'a>, fmt::Error> {
        Ok(CounterFamily(self.0.encode_descriptor(name, help, Some(unit), MetricType::Counter)?))
    }

    pub fn gauge<'a>(
        &'a mut self,
        name: &'a str,
        help: &str,
    ) -> Result<GaugeFamily<'a>, fmt::Error> {
        Ok(GaugeFamily(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?))
    }

    pub fn gauge_in<'a>(
        &'a mut self,
        unit: &'static Unit,
        name: &'a str,
        help: &str,
    ) -> Result<GaugeFamily<'a>, fmt::Error> {
        Ok(GaugeFamily(self.0.encode_descriptor(name, help, Some(unit), MetricType::Gauge)?))
    }

    pub fn histogram_in<'a>(
        &'a mut self,
        unit: &'static Unit,
        name: &'a str,
        help: &str,
    ) -> Result<HistogramFamily<'a>, fmt::Error> {
        Ok(HistogramFamily(self.0.encode_descriptor(
            name,
            help,
            Some(unit),
            MetricType::Histogram,
        )?))
    }

    pub fn info<'a>(&'a mut self, name: &'a str, help: &str) -> Result<InfoFamily<'a>, fmt::Error> {
        Ok(InfoFamily(self.0.encode_descriptor(name, help, None, MetricType::Info)?))
    }
}

impl CounterFamily<'_> {
    pub fn add(&mut self, labels: &Labels<'_>, value: impl EncodeCounterValue) -> fmt::Result {
        // No braces without labels.
        if labels.is_empty() {
            return self.0.encode_counter::<NoLabelSet, _, f64>(&value, None);
        }
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }
}

impl GaugeFamily<'_> {
    pub fn add(&mut self, labels: &Labels<'_>, value: impl EncodeGaugeValue) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_gauge(&value);
        }
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }
}

impl InfoFamily<'_> {
    pub fn add(&mut self, labels: &Labels<'_>) -> fmt::Result {
        self.0.encode_info(&labels)
    }
}

impl HistogramFamily<'_> {
    pub fn add(&mut self, labels: &Labels<'_>, times: &Distribution) -> fmt::Result {
        let bound =
            |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |b| b.as_secs_f64());
        let buckets: Vec<(f64, u64)> =
            times.buckets.iter().map(|(end, count)| (bound(*end), *count)).collect();
        let (sum, count) = (times.sum.as_secs_f64(), times.count());
        if labels.is_empty() {
            return self.0.encode_histogram::<NoLabelSet>(sum, count, &buckets, None);
        }
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}
