//! Many clients on many nodes, simulated: how the load spreads, and what clients get in comparison with the rule of a launcher.

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use easytier_uptime_store::domain::PeerId;

use super::{choice::Choices, fit::Candidate};

/// A node of a simulation.
#[derive(Debug, Clone, Copy)]
struct Node {
    capacity: f64,
    uptime: f64,
}

impl Node {
    /// The node as the hub sees it with `load` clients.
    fn candidate(&self, id: usize, load: f64, latency_ms: u32) -> Candidate {
        Candidate {
            id: PeerId(id as i64),
            free: (self.capacity - load).max(1.0),
            load: load / self.capacity,
            latency_us: Some(i64::from(latency_ms) * 1000),
            uptime: self.uptime,
        }
    }
}

fn chosen(choices: &Choices, rng: &mut impl Rng) -> usize {
    choices.choose(rng, None, 1)[0].0 as usize
}

fn loads(clients: &[Option<usize>], nodes: usize) -> Vec<f64> {
    let mut loads = vec![0.0; nodes];
    clients.iter().flatten().for_each(|node| loads[*node] += 1.0);
    loads
}

// --- failures --------------------------------------------------------------------------------------------------------

/// 10,000 clients on 50 nodes of unequal size, of which some fail and return. The hub knows the state and the load of each round
/// in the next one; a client looks for another node when its own fails, and one in twenty leaves each round for a new one.
#[test]
fn load_follows_capacity_and_nobody_is_sent_to_a_node_that_is_known_to_be_down() {
    for seed in 0..5 {
        fail_and_return(seed);
    }
}

const NODES: usize = 50;
const CLIENTS: usize = 10_000;
const ROUNDS: usize = 80;

fn fail_and_return(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let nodes: Vec<Node> =
        (0..NODES).map(|_| Node { capacity: f64::from(rng.random_range(50..800)), uptime: 1.0 }).collect();
    let mut down_for = vec![0_usize; NODES];
    let mut clients: Vec<Option<usize>> = vec![None; CLIENTS];
    for round in 0..ROUNDS {
        let known_down: Vec<bool> = down_for.iter().map(|rounds| *rounds > 0).collect();
        let measured = loads(&clients, NODES);
        // No failures at the end, so that the load can settle.
        for rounds in &mut down_for {
            *rounds = match *rounds {
                0 => usize::from(round + 40 < ROUNDS && rng.random_bool(0.02)),
                5 => 0,
                more => more + 1,
            };
        }
        let up = (0..NODES).filter(|node| !known_down[*node]);
        let choices = Choices::new(up.map(|node| nodes[node].candidate(node, measured[node], 20)).collect());
        for client in &mut clients {
            if client.is_none_or(|node| down_for[node] > 0) || rng.random_bool(0.05) {
                let node = chosen(&choices, &mut rng);
                assert!(down_for[node] < 2, "seed {seed}: a client was sent to a node that is down for two rounds");
                *client = (down_for[node] == 0).then_some(node);
            }
        }
    }
    let (loads, whole): (Vec<f64>, f64) = (loads(&clients, NODES), nodes.iter().map(|node| node.capacity).sum());
    let usual = CLIENTS as f64 / whole;
    for (node, Node { capacity, .. }) in nodes.iter().enumerate() {
        let share = loads[node] / capacity;
        assert!((share / usual - 1.0).abs() <= 0.15, "seed {seed}: node {node} is used at {share}, usual is {usual}");
    }
}

// --- in comparison with PCL ------------------------------------------------------------------------------------------

/// The round trips, as the head of the file says.
const ROUND_TRIPS: &str = include_str!("round_trips.txt");

/// Places from which clients come, and nodes, of each matrix.
const PLACES: usize = 6;
const SITES: usize = 24;
const MATRICES: usize = 10;

type Matrix = Vec<Vec<u32>>;

fn matrices() -> Vec<Matrix> {
    let lines: Vec<Vec<u32>> = ROUND_TRIPS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(' ').map(|ms| ms.parse().unwrap()).collect())
        .collect();
    lines.chunks(PLACES).map(<[Vec<u32>]>::to_vec).collect()
}

/// What the head of the file says.
fn written_by_the_rule() -> Vec<Matrix> {
    let mut state = 1_u64;
    let mut below = move |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut matrix = || -> Matrix {
        let mut point = || (below(12_000) as f64, below(6000) as f64);
        let (places, sites): (Vec<_>, Vec<_>) =
            ((0..PLACES).map(|_| point()).collect(), (0..SITES).map(|_| point()).collect());
        let distance = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
        let mut row = |place: (f64, f64)| -> Vec<u32> {
            sites.iter().map(|site| 4 + (distance(place, *site) / 50.0) as u32 + below(20) as u32).collect()
        };
        places.iter().map(|place| row(*place)).collect()
    };
    (0..MATRICES).map(|_| matrix()).collect()
}

#[test]
fn the_round_trips_are_those_of_their_rule() {
    let text = |matrix: &Matrix| {
        let rows = matrix.iter().map(|row| row.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") + "\n");
        rows.collect::<String>()
    };
    let expected: Vec<String> = written_by_the_rule().iter().map(text).collect();
    assert_eq!(matrices(), written_by_the_rule(), "the file should hold\n\n{}", expected.join("\n"));
}

/// What the clients of one way to choose got.
#[derive(Debug, Default)]
struct Got {
    round_trips: f64,
    served: f64,
    refused: f64,
}

impl Got {
    fn mean(&self) -> f64 {
        self.round_trips / self.served
    }

    fn refused(&self) -> f64 {
        self.refused / (self.served + self.refused)
    }
}

/// The rounds in which clients come. Each stays for [`STAY`] of them.
const ARRIVALS: usize = 40;
const STAY: usize = 8;

/// Simulates clients that come from all places, with nodes of these loads at the beginning. `choose` gets the loads of the last round
/// and the place, and returns a function that chooses for each client.
fn serve<'a, C: FnMut() -> usize>(
    nodes: &[Node],
    matrix: &Matrix,
    others: &[f64],
    mut choose: impl FnMut(&[f64], usize) -> C + 'a,
) -> Got {
    let mut got = Got::default();
    let mut guests = vec![vec![0.0; nodes.len()]; STAY];
    let whole: f64 = nodes.iter().map(|node| node.capacity).sum();
    // Together they take half of all nodes.
    let per_place = (whole / (2 * STAY * PLACES) as f64) as usize;
    for round in 0..ARRIVALS {
        guests[round % STAY].fill(0.0);
        let mut now: Vec<f64> = others.to_vec();
        guests.iter().for_each(|round| now.iter_mut().zip(round).for_each(|(sum, count)| *sum += count));
        let known = now.clone();
        for (place, row) in matrix.iter().enumerate() {
            let mut next = choose(&known, place);
            for _ in 0..per_place {
                let node = next();
                if now[node] >= nodes[node].capacity {
                    got.refused += 1.0;
                } else {
                    now[node] += 1.0;
                    guests[round % STAY][node] += 1.0;
                    got.served += 1.0;
                    got.round_trips += f64::from(row[node]);
                }
            }
        }
    }
    got
}

/// PCL takes the node with the least `usage × (110 − health)`, both in percent, from wherever the player is. Its newest versions
/// read the list at each start, so that they know the load of the last round too.
fn of_pcl(nodes: &[Node], known: &[f64]) -> usize {
    let cost =
        |node: usize| (known[node] * 100.0 / nodes[node].capacity).max(0.01) * (110.0 - 100.0 * nodes[node].uptime);
    (0..nodes.len()).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap()
}

#[test]
fn clients_are_never_worse_off_than_by_the_rule_of_pcl() {
    let matrices = matrices();
    let (mut gains, mut refusals) = (Vec::new(), [0.0, 0.0]);
    for seed in 0..100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let matrix = &matrices[seed as usize % MATRICES];
        let node = |_| Node { capacity: f64::from(rng.random_range(50..800)), uptime: rng.random_range(0.9..1.0) };
        let nodes: Vec<Node> = (0..SITES).map(node).collect();
        let others: Vec<f64> = nodes.iter().map(|node| (node.capacity * rng.random_range(0.0..0.4)).round()).collect();
        let theirs = serve(&nodes, matrix, &others, |known, _| {
            let node = of_pcl(&nodes, known);
            move || node
        });
        let ours = serve(&nodes, matrix, &others, |known, place| {
            let fits = (0..SITES).filter(|node| known[*node] < nodes[*node].capacity);
            let latency = &matrix[place];
            let choices =
                Choices::new(fits.map(|node| nodes[node].candidate(node, known[node], latency[node])).collect());
            let mut rng = SmallRng::from_rng(&mut rng);
            move || chosen(&choices, &mut rng)
        });
        assert!(
            ours.mean() <= theirs.mean(),
            "seed {seed}: {} ms, by the rule of PCL {} ms",
            ours.mean(),
            theirs.mean()
        );
        assert!(ours.refused() <= theirs.refused(), "seed {seed}: {ours:?}, by the rule of PCL {theirs:?}");
        gains.push(1.0 - ours.mean() / theirs.mean());
        refusals[0] += ours.refused();
        refusals[1] += theirs.refused();
    }
    gains.sort_by(f64::total_cmp);
    println!(
        "round trips are shorter by {:.0} % in the median of 100 seeds, {:.0} % at least; a full node refuses {:.1} % of the \
         clients, by the rule of PCL {:.1} %",
        gains[50] * 100.0,
        gains[0] * 100.0,
        refusals[0],
        refusals[1],
    );
}
