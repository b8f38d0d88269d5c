//! The base URLs of a backend: which of them works, and what has been learnt about each.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::base_url::BaseUrl;

/// Whose backend it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has neither said that it is ours nor listed any peers.
    Unknown,
    /// Ours: it has said so.
    Hub,
    /// It has listed peers without saying so.
    Foreign,
}

/// One base URL.
pub(super) struct Base {
    pub(super) url: BaseUrl,
    kind: AtomicU8,
    pub(super) status_report: OptionalEndpoint,
    pub(super) results: OptionalEndpoint,
    pub(super) per_node: OptionalEndpoint,
    pub(super) registry: OptionalEndpoint,
}

impl Base {
    fn new(url: BaseUrl) -> Self {
        Self {
            url,
            kind: AtomicU8::new(Kind::Unknown as u8),
            status_report: OptionalEndpoint::default(),
            results: OptionalEndpoint::default(),
            per_node: OptionalEndpoint::default(),
            registry: OptionalEndpoint::default(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        [Kind::Unknown, Kind::Hub, Kind::Foreign][usize::from(self.kind.load(Relaxed))]
    }

    pub(super) fn learn(&self, kind: Kind) {
        let before = self.kind.swap(kind as u8, Relaxed);
        if before == kind as u8 {
            return;
        }
        debug!(backend = %self.url, ?kind, "whose backend this is");
        if kind == Kind::Hub {
            // A hub has them all; what said otherwise stood in front of it.
            for endpoint in [&self.status_report, &self.results, &self.per_node, &self.registry] {
                endpoint.forget_miss();
            }
        }
    }
}

/// What is known about an endpoint that some backends lack.
#[derive(Default)]
pub(super) struct OptionalEndpoint {
    missed_at: Mutex<Option<Instant>>,
    told: AtomicBool,
    worked: AtomicBool,
}

impl OptionalEndpoint {
    /// Whether it was found missing less than `ask_again_after` ago.
    pub(super) fn is_missing(&self, ask_again_after: Duration) -> bool {
        let missed_at = *self.missed_at.lock().unwrap_or_else(PoisonError::into_inner);
        missed_at.is_some_and(|missed_at| missed_at.elapsed() < ask_again_after)
    }

    /// It is not there. Said once.
    pub(super) fn missed(&self, request: &str, answer: &str, consequence: &str) {
        *self.missed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        match self.told.swap(true, Relaxed) {
            false => warn!("{request}: the backend seems to have no such endpoint ({answer}); {consequence}"),
            true => debug!(request, answer, "the endpoint is still missing"),
        }
    }

    /// It is there.
    pub(super) fn works(&self) {
        self.worked.store(true, Relaxed);
        self.forget_miss();
    }

    /// It may be there after all.
    fn forget_miss(&self) {
        *self.missed_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether it ever was there.
    pub(super) fn has_worked(&self) -> bool {
        self.worked.load(Relaxed)
    }
}

/// All base URLs.
pub(super) struct Bases {
    list: Vec<Base>,
    /// The position of the one that worked last.
    current: AtomicUsize,
    /// When the first one was last found not to work.
    left_first_at: Mutex<Option<Instant>>,
    return_after: Duration,
}

impl Bases {
    pub(super) fn new(urls: Vec<BaseUrl>, return_after: Duration) -> Self {
        Self {
            list: urls.into_iter().map(Base::new).collect(),
            current: AtomicUsize::new(0),
            left_first_at: Mutex::default(),
            return_after,
        }
    }

    pub(super) fn get(&self, position: usize) -> &Base {
        &self.list[position]
    }

    /// The positions in the order to try them: the one that works and then the others, or, when the first one has been
    /// left alone for long enough, as they were given.
    pub(super) fn order(&self) -> Vec<usize> {
        let current = self.current.load(Relaxed);
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        if current != 0 && !self.may_return() {
            order.retain(|position| *position != current);
            order.insert(0, current);
        }
        order
    }

    /// Whether it is time to see if the first one works again. Only one caller in each period is told yes, so that
    /// the others don't wait for it too.
    fn may_return(&self) -> bool {
        let mut left_at = self.left_first_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = left_at.is_none_or(|at| at.elapsed() >= self.return_after);
        if due {
            *left_at = Some(Instant::now());
        }
        due
    }

    /// This one answers.
    pub(super) fn works(&self, position: usize) {
        let before = self.current.swap(position, Relaxed);
        if before == position {
            return;
        }
        let (now, before) = (&self.list[position].url, &self.list[before].url);
        if position == 0 {
            info!("back to the backend at {now}");
        } else {
            *self.left_first_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            warn!("the backend at {before} does not answer; using {now} until it does");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_one_is_tried_again_by_one_caller_in_each_period() {
        let urls = ["http://a", "http://b", "http://c"].map(|url| url.parse().unwrap());
        let bases = Bases::new(urls.into(), Duration::from_secs(60));
        assert_eq!(bases.order(), [0, 1, 2]);

        bases.works(2);
        assert_eq!(bases.order(), [2, 0, 1]);
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(60)).await;
            assert_eq!(bases.order(), [0, 1, 2]);
            assert_eq!(bases.order(), [2, 0, 1]);
        }
        bases.works(0);
        assert_eq!(bases.order(), [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_endpoint_is_left_alone_for_a_while() {
        let (endpoint, hour) = (OptionalEndpoint::default(), Duration::from_secs(3600));
        assert!(!endpoint.is_missing(hour));
        endpoint.missed("PUT http://a/nodes/status", "404 Not Found", "so be it");
        tokio::time::advance(hour - Duration::from_secs(1)).await;
        assert!(endpoint.is_missing(hour));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!endpoint.is_missing(hour) && !endpoint.has_worked());
        endpoint.works();
        assert!(endpoint.has_worked());
    }
}
