//! Makes messages of OTLP of metrics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::{
    tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
        metrics::v1::{
            AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
            ScopeMetrics, Sum, metric::Data, number_data_point,
        },
        resource::v1::Resource,
    },
    transform::common::tonic::ResourceAttributesWithSchema,
};

use super::text::{Family, Sample};

/// When values were counted from, and when they were read, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub from: u64,
    pub at: u64,
}

/// A time in nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The message with all metrics.
pub(super) fn request(
    resource: &ResourceAttributesWithSchema,
    families: Vec<Family>,
    times: Times,
) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope {
        name: "easytier-uptime".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = families.into_iter().filter_map(|family| metric(family, times)).collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes: resource.attributes.0.clone(), ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }],
            schema_url: resource.schema_url.clone().unwrap_or_default(),
        }],
    }
}

/// A metric; `None` for one without values, such as a counter that has labels and was not counted yet.
fn metric(family: Family, times: Times) -> Option<Metric> {
    let temporality = AggregationTemporality::Cumulative.into();
    let numbers = |from| family.samples.iter().filter_map(|sample| number(sample, from, times.at)).collect::<Vec<_>>();
    let data = match family.kind.as_str() {
        "counter" => {
            let data_points = numbers(times.from);
            Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
        }
        "histogram" => {
            let data_points = histograms(&family.samples, times);
            Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
        }
        _ => Data::Gauge(Gauge { data_points: numbers(0) }),
    };
    let is_empty = match &data {
        Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points }) => data_points.is_empty(),
        Data::Histogram(Histogram { data_points, .. }) => data_points.is_empty(),
        _ => false,
    };
    let unit = match family.unit.as_str() {
        "seconds" => "s",
        "bytes" => "By",
        "ratios" => "1",
        other => other,
    };
    (!is_empty).then(|| Metric {
        name: family.name,
        description: family.help,
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn number(sample: &Sample, from: u64, at: u64) -> Option<NumberDataPoint> {
    let value = match sample.value.parse::<i64>() {
        Ok(whole) => number_data_point::Value::AsInt(whole),
        Err(_) => number_data_point::Value::AsDouble(sample.value.parse().ok()?),
    };
    Some(NumberDataPoint {
        attributes: attributes(&sample.labels),
        start_time_unix_nano: from,
        time_unix_nano: at,
        exemplars: Vec::new(),
        flags: 0,
        value: Some(value),
    })
}

/// The histograms of a family, one for each set of labels. In the text, each bucket counts what is in the buckets before it, too.
fn histograms(samples: &[Sample], times: Times) -> Vec<HistogramDataPoint> {
    let mut points: Vec<(Vec<KeyValue>, HistogramDataPoint, u64)> = Vec::new();
    for sample in samples {
        let is_bound = |label: &&(String, String)| sample.suffix == "_bucket" && label.0 == "le";
        let bound = sample.labels.iter().find(is_bound).map(|(_, bound)| bound.as_str());
        let others: Vec<_> = sample.labels.iter().filter(|label| !is_bound(label)).cloned().collect();
        let others = attributes(&others);
        let place = points.iter().position(|(known, ..)| *known == others).unwrap_or_else(|| {
            let point = HistogramDataPoint {
                attributes: others.clone(),
                start_time_unix_nano: times.from,
                time_unix_nano: times.at,
                ..HistogramDataPoint::default()
            };
            points.push((others, point, 0));
            points.len() - 1
        });
        let Some((_, point, below)) = points.get_mut(place) else { continue };
        match (sample.suffix.as_str(), bound) {
            ("_count", _) => point.count = sample.value.parse().unwrap_or_default(),
            ("_sum", _) => point.sum = sample.value.parse().ok(),
            ("_bucket", Some(bound)) => {
                let up_to: u64 = sample.value.parse().unwrap_or_default();
                point.bucket_counts.push(up_to.saturating_sub(*below));
                point.explicit_bounds.extend(bound.parse::<f64>().ok().filter(|bound| bound.is_finite()));
                *below = up_to;
            }
            _ => {}
        }
    }
    points.into_iter().map(|(_, point, _)| point).collect()
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    let attribute = |(name, value): &(String, String)| KeyValue {
        key: name.clone(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..KeyValue::default()
    };
    labels.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::text, *};

    const TIMES: Times = Times { from: 1, at: 2 };

    fn metrics(text: &str) -> Vec<Metric> {
        text::read(text).into_iter().filter_map(|family| metric(family, TIMES)).collect()
    }

    #[test]
    fn a_counter_is_a_sum_since_the_start_and_a_gauge_is_a_value() {
        let text = "# TYPE a counter\na_total{x=\"y\"} 3\n# TYPE b gauge\n# UNIT b seconds\nb 0.5\n# TYPE c counter\n";
        let metrics = metrics(text);
        assert_eq!(metrics.len(), 2, "a counter without a value is none: {metrics:?}");
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == AggregationTemporality::Cumulative as i32);
        let point = &sum.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
        assert_eq!(point.attributes, attributes(&[("x".into(), "y".into())]));
        let Some(Data::Gauge(gauge)) = &metrics[1].data else { panic!("{metrics:?}") };
        assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(0.5)));
        assert_eq!((metrics[1].name.as_str(), metrics[1].unit.as_str()), ("b", "s"));
    }

    #[test]
    fn buckets_count_what_is_in_them_alone() {
        let of = |route: &str, counts: [u64; 3]| {
            let [first, second, all] = counts;
            format!(
                "t_sum{{r=\"{route}\"}} 1.5\nt_count{{r=\"{route}\"}} {all}\nt_bucket{{le=\"0.5\",r=\"{route}\"}} {first}\n\
                 t_bucket{{le=\"1.0\",r=\"{route}\"}} {second}\nt_bucket{{le=\"+Inf\",r=\"{route}\"}} {all}\n"
            )
        };
        let text = format!("# TYPE t histogram\n{}{}# EOF\n", of("a", [1, 3, 4]), of("b", [0, 0, 7]));
        let metrics = metrics(&text);
        let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("{metrics:?}") };
        let [a, b] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        assert_eq!(
            (a.count, a.sum, &a.bucket_counts, &a.explicit_bounds),
            (4, Some(1.5), &vec![1, 2, 1], &vec![0.5, 1.0])
        );
        assert_eq!((b.count, &b.bucket_counts), (7, &vec![0, 0, 7]));
        assert_eq!(b.attributes, attributes(&[("r".into(), "b".into())]));
    }
}
