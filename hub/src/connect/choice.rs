//! Which of the nodes that fit a client gets: the better of two that are drawn at random, by their free capacity, latency and
//! uptime. Two draws spread clients almost as well as a comparison of all nodes, and do not send everybody to the same one while its load
//! is not measured again.

use std::cmp::Ordering;

use easytier_uptime_store::domain::PeerId;
use rand::{Rng, RngExt};

use super::fit::Candidate;

/// How much of a node's load one second of latency outweighs.
const LATENCY_WEIGHT: f64 = 2.0;

/// The latency of a node that was never measured, in seconds.
const UNKNOWN_LATENCY: f64 = 0.2;

/// With this latency, in seconds, a node is drawn half as often as one that is right here.
const FAR: f64 = 0.1;

/// How often a draw is repeated that gives a node again.
const DRAWS: usize = 32;

/// The nodes that fit, ready to be drawn.
#[derive(Debug)]
pub struct Choices {
    /// By id.
    candidates: Vec<Candidate>,
    /// The sum of the weights of each candidate and those before it.
    sums: Vec<f64>,
}

impl Choices {
    /// `candidates`: in the order of their ids, at least one.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        let sums = candidates.iter().scan(0.0, |sum, candidate| {
            *sum += weight(candidate);
            Some(*sum)
        });
        Self { sums: sums.collect(), candidates }
    }

    /// Whether a node fits.
    pub fn has(&self, id: PeerId) -> bool {
        self.candidates.binary_search_by_key(&id, |candidate| candidate.id).is_ok()
    }

    /// Up to `count` different nodes, the one that the client has first.
    pub fn choose(&self, rng: &mut impl Rng, known: Option<PeerId>, count: usize) -> Vec<PeerId> {
        let mut chosen: Vec<PeerId> = known.into_iter().collect();
        for _ in 0..DRAWS {
            if chosen.len() >= count.min(self.candidates.len()) {
                break;
            }
            let better = [self.draw(rng), self.draw(rng)].into_iter().flatten().min_by(|a, b| compare(a, b));
            if let Some(better) = better.filter(|better| !chosen.contains(&better.id)) {
                chosen.push(better.id);
            }
        }
        chosen
    }

    /// A node, the likelier the greater its weight.
    fn draw(&self, rng: &mut impl Rng) -> Option<&Candidate> {
        let place = rng.random_range(0.0..*self.sums.last()?);
        self.candidates.get(self.sums.partition_point(|sum| *sum <= place))
    }
}

/// A node that was down for half of the day is drawn a quarter as often as one that was up all the time.
fn weight(candidate: &Candidate) -> f64 {
    let nearness = FAR / (FAR + latency(candidate));
    (candidate.free * candidate.uptime.powi(2) * nearness).max(f64::MIN_POSITIVE)
}

/// The better one first.
fn compare(a: &Candidate, b: &Candidate) -> Ordering {
    cost(a).total_cmp(&cost(b)).then_with(|| a.id.cmp(&b.id))
}

fn cost(candidate: &Candidate) -> f64 {
    candidate.load + LATENCY_WEIGHT * latency(candidate)
}

/// In seconds.
fn latency(candidate: &Candidate) -> f64 {
    candidate.latency_us.map_or(UNKNOWN_LATENCY, |micros| micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    fn candidate(id: i64, capacity: f64, clients: f64) -> Candidate {
        let free = (capacity - clients).max(1.0);
        Candidate { id: PeerId(id), free, load: clients / capacity, latency_us: Some(20_000), uptime: 1.0 }
    }

    #[test]
    fn a_client_gets_different_nodes_and_the_one_it_had_first() {
        let choices = Choices::new((1..=5).map(|id| candidate(id, 100.0, 0.0)).collect());
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..100 {
            let chosen = choices.choose(&mut rng, Some(PeerId(3)), 5);
            assert_eq!(chosen[0], PeerId(3));
            let mut sorted = chosen.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), chosen.len(), "{chosen:?}");
        }
        assert_eq!(choices.choose(&mut rng, None, 1).len(), 1);
        assert!(choices.has(PeerId(5)) && !choices.has(PeerId(6)));
    }

    #[test]
    fn near_nodes_and_nodes_that_were_up_get_more_clients() {
        let near = candidate(1, 100.0, 0.0);
        let far = Candidate { id: PeerId(2), latency_us: Some(300_000), ..near };
        let shaky = Candidate { id: PeerId(3), uptime: 0.5, ..near };
        let choices = Choices::new(vec![near, far, shaky]);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut counts = [0; 4];
        for _ in 0..3000 {
            counts[choices.choose(&mut rng, None, 1)[0].0 as usize] += 1;
        }
        assert!(counts[1] > 2 * counts[2] && counts[1] > 2 * counts[3], "{counts:?}");
    }
}
