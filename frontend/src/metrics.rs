//! [`Metrics`]: what is counted, and its text for Prometheus.
//!
//! Invariant: the number of time series is bounded by this program, never by its clients: routes by
//! their label, methods by the list here, statuses by their class.

use crate::accounts::Accounts;
use crate::audit::AuditLog;
use floundr_engine::CheckProgress;
use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Upper bounds of the durations counted, in seconds: from a manifest out of memory to a layer
/// over a slow line.
const DURATIONS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0,
];

/// Counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    started: Instant,
    uptime: Gauge,
    connections: Gauge,
    in_flight: Gauge,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    received: Counter,
    sent: Counter,
    /// Requests answered, of whatever kind.
    answered: AtomicU64,
}

/// What was counted, at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) uptime: Duration,
    pub(crate) connections: u64,
    pub(crate) in_flight: u64,
    pub(crate) requests: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// What is known of a request when it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) route: &'static str,
    /// `None` when the head was not readable so far.
    pub(crate) method: Option<Method>,
    /// `None` when the client was gone before there was an answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) duration: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// One open connection or one request in flight; counted until it is dropped.
#[derive(Debug)]
#[must_use = "it is counted until this is dropped"]
pub(crate) struct Counted(Arc<Metrics>, fn(&Metrics) -> &Gauge);

/// How far the store's check is, read when the metrics are asked for.
#[derive(Debug)]
struct CheckMetrics(watch::Receiver<CheckProgress>);

/// What somebody else counts, read when the metrics are asked for.
struct CountOf {
    name: &'static str,
    help: &'static str,
    count: Box<dyn Fn() -> u64 + Send + Sync>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

// === impl Metrics ===

impl Metrics {
    /// The media type of the text.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Counters at zero; the uptime starts now.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("floundr"),
            started: Instant::now(),
            uptime: Gauge::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            received: Counter::default(),
            sent: Counter::default(),
            answered: AtomicU64::new(0),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(version));
        for (name, help, gauge) in [
            ("uptime_seconds", "Seconds since the start", &self.uptime),
            ("connections", "Open connections", &self.connections),
            (
                "requests_in_flight",
                "Requests being answered",
                &self.in_flight,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        let help = "Requests answered, by endpoint, method and class of status";
        registry.register("requests", help, self.requests.clone());
        let help = "Seconds from a request's head to the last byte of its answer";
        registry.register("request_duration_seconds", help, self.durations.clone());
        let help = "Bytes of request bodies";
        registry.register("received_bytes", help, self.received.clone());
        let help = "Bytes of answers' bodies";
        registry.register("sent_bytes", help, self.sent.clone());
    }

    /// Adds what the store's check says of itself, as it is when it is asked for.
    pub(crate) fn watch_check(&mut self, progress: watch::Receiver<CheckProgress>) {
        (self.registry).register_collector(Box::new(CheckMetrics(progress)));
    }

    /// Counts how often passwords were compared with their hashes: few, however many requests bring
    /// one.
    pub(crate) fn watch_accounts(&mut self, accounts: Accounts) {
        self.registry.register_collector(Box::new(CountOf {
            name: "password_verifications",
            help: "Passwords that were compared with a slow hash",
            count: Box::new(move || accounts.password_verifications()),
        }));
    }

    /// Counts what the audit log lost.
    pub(crate) fn watch_audit(&mut self, audit: AuditLog) {
        self.registry.register_collector(Box::new(CountOf {
            name: "audit_lost",
            help: "Records that the audit log could not keep",
            count: Box::new(move || audit.lost()),
        }));
    }

    /// Adds metrics of somebody else, such as of the accounts. Only before it is shared.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// All of it in the text format of [`Metrics::CONTENT_TYPE`], which Prometheus reads.
    pub fn encode(&self) -> String {
        let uptime = self.started.elapsed().as_secs();
        self.uptime.set(i64::try_from(uptime).unwrap_or(i64::MAX));
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }

    pub(crate) fn connection(self: &Arc<Self>) -> Counted {
        Counted::new(self, |metrics| &metrics.connections)
    }

    pub(crate) fn request(self: &Arc<Self>) -> Counted {
        Counted::new(self, |metrics| &metrics.in_flight)
    }

    /// How many requests are being answered, and how many connections are open.
    pub(crate) fn load(&self) -> (usize, usize) {
        let count = |gauge: &Gauge| usize::try_from(gauge.get()).unwrap_or(0);
        (count(&self.in_flight), count(&self.connections))
    }

    pub(crate) fn figures(&self) -> Figures {
        let count = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or(0);
        Figures {
            uptime: self.started.elapsed(),
            connections: count(&self.connections),
            in_flight: count(&self.in_flight),
            requests: self.answered.load(Ordering::Relaxed),
            received: self.received.get(),
            sent: self.sent.get(),
        }
    }

    pub(crate) fn record(&self, outcome: &Outcome) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let labels = RequestLabels {
            route: outcome.route,
            method: outcome.method.as_ref().map_or("other", method_label),
            status: status_label(outcome.status),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels {
            route: outcome.route,
        };
        self.durations
            .get_or_create(&labels)
            .observe(outcome.duration.as_secs_f64());
        self.received.inc_by(outcome.received);
        self.sent.inc_by(outcome.sent);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

// === impl CountOf ===

impl Collector for CountOf {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counter = ConstCounter::new((self.count)());
        let metric =
            encoder.encode_descriptor(self.name, self.help, None, counter.metric_type())?;
        counter.encode(metric)
    }
}

impl fmt::Debug for CountOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountOf").field(&self.name).finish()
    }
}

// === impl CheckMetrics ===

impl Collector for CheckMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let progress = *self.0.borrow();
        for (name, help, value) in [
            (
                "check_running",
                "Whether a pass of the background check is under way",
                u64::from(progress.is_running),
            ),
            (
                "check_blobs_done",
                "Blobs read in this pass of the background check, or in the last",
                progress.done,
            ),
            (
                "check_blobs",
                "Blobs there were when the background check read the last one",
                progress.total,
            ),
            (
                "check_quarantined",
                "Blobs the pass found damaged: they are not served until they are pushed again",
                progress.quarantined,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in [
            (
                "check_bytes",
                "Bytes of content that checks read and hashed",
                progress.bytes_since_open,
            ),
            (
                "check_faults",
                "Faults that checks found; one that stays is found again by the next pass",
                progress.found_since_open,
            ),
        ] {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

// === impl Counted ===

impl Counted {
    fn new(metrics: &Arc<Metrics>, gauge: fn(&Metrics) -> &Gauge) -> Self {
        gauge(metrics).inc();
        Self(Arc::clone(metrics), gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).dec();
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

fn status_label(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => "aborted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_in_the_text() {
        let metrics = Arc::new(Metrics::new());
        metrics.record(&Outcome {
            route: "blob",
            method: Some(Method::from_bytes(b"INVENTED").unwrap()),
            status: Some(StatusCode::NOT_FOUND),
            duration: Duration::from_millis(3),
            received: 5,
            sent: 7,
        });
        let connection = metrics.connection();
        let text = metrics.encode();
        drop(connection);
        for line in [
            r#"floundr_requests_total{route="blob",method="other",status="4xx"} 1"#,
            r#"floundr_request_duration_seconds_bucket{le="0.005",route="blob"} 1"#,
            "floundr_received_bytes_total 5",
            "floundr_sent_bytes_total 7",
            "floundr_connections 1",
            "floundr_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(metrics.encode().contains("floundr_connections 0"));
    }
}
