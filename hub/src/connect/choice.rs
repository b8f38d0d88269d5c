//! Which of the nodes that fit a client gets: the better of two that are drawn at random, by their free capacity and their uptime.
//! Two draws spread clients almost as well as a comparison of all nodes, and do not send everybody to the same one while its load
//! is not measured again.

use std::cmp::Ordering;

use easytier_uptime_store::domain::PeerId;
use rand::{Rng, RngExt};

use super::fit::Candidate;

/// How much of a node's load one second of latency outweighs.
const LATENCY_WEIGHT: f64 = 2.0;

/// The latency of a node that was never measured, in microseconds.
const UNKNOWN_LATENCY_US: f64 = 200_000.0;

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
    (candidate.free * candidate.uptime.powi(2)).max(f64::MIN_POSITIVE)
}

/// The better one first.
fn compare(a: &Candidate, b: &Candidate) -> Ordering {
    cost(a).total_cmp(&cost(b)).then_with(|| a.id.cmp(&b.id))
}

fn cost(candidate: &Candidate) -> f64 {
    let latency = candidate.latency_us.map_or(UNKNOWN_LATENCY_US, |micros| micros as f64);
    candidate.load + LATENCY_WEIGHT * latency / 1e6
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

    /// 10,000 clients on 50 nodes of unequal size, of which some fail and return. The hub knows the state and the load of each round
    /// in the next one; a client looks for another node when its own fails, and one in twenty leaves each round for a new one.
    #[test]
    fn load_follows_capacity_and_nobody_is_sent_to_a_node_that_is_known_to_be_down() {
        for seed in 0..20 {
            simulate(seed);
        }
    }

    const NODES: usize = 50;
    const CLIENTS: usize = 10_000;
    const ROUNDS: usize = 80;

    fn simulate(seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let capacities: Vec<f64> = (0..NODES).map(|_| f64::from(rng.random_range(50..800))).collect();
        let mut down_for = vec![0_usize; NODES];
        let mut clients: Vec<Option<usize>> = vec![None; CLIENTS];
        let loads = |clients: &[Option<usize>]| {
            let mut loads = vec![0.0; NODES];
            clients.iter().flatten().for_each(|node| loads[*node] += 1.0);
            loads
        };
        for round in 0..ROUNDS {
            let known_down: Vec<bool> = down_for.iter().map(|rounds| *rounds > 0).collect();
            let measured = loads(&clients);
            // No failures at the end, so that the load can settle.
            for rounds in &mut down_for {
                *rounds = match *rounds {
                    0 => usize::from(round + 40 < ROUNDS && rng.random_bool(0.02)),
                    5 => 0,
                    more => more + 1,
                };
            }
            let up = (0..NODES).filter(|node| !known_down[*node]);
            let choices = Choices::new(up.map(|node| candidate(node as i64, capacities[node], measured[node])).collect());
            for client in &mut clients {
                if client.is_none_or(|node| down_for[node] > 0) || rng.random_bool(0.05) {
                    let node = choices.choose(&mut rng, None, 1)[0].0 as usize;
                    assert!(down_for[node] < 2, "seed {seed}: a client was sent to a node that is down for two rounds");
                    *client = (down_for[node] == 0).then_some(node);
                }
            }
        }
        let (loads, whole): (Vec<f64>, f64) = (loads(&clients), capacities.iter().sum());
        let usual = CLIENTS as f64 / whole;
        for (node, capacity) in capacities.iter().enumerate() {
            let share = loads[node] / capacity;
            assert!((share / usual - 1.0).abs() <= 0.15, "seed {seed}: node {node} is used at {share}, usual is {usual}");
        }
    }
}
