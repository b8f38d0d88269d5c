//! Instances that share one configuration, and what must hold for all of them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    fs,
    time::Duration,
};

use easytier_uptime_store::domain::Timestamp;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    instance::{Instance, View},
    network::Network,
    records::{self, Configuration},
    sender::Ledger,
};

/// Much longer than any wait of these tests takes, on a machine with other work.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The number of peers that senders report, and nobody edits.
pub const PEERS: i64 = 4;

/// How many clusters run at a time: each is a dozen processes, whose timeouts must mean what they mean elsewhere.
static ROOM: Semaphore = Semaphore::const_new(2);

pub struct Cluster {
    pub instances: Vec<Instance>,
    pub network: Network,
    /// A token for each probe that posts results.
    pub tokens: Vec<String>,
    _place: SemaphorePermit<'static>,
}

impl Cluster {
    /// A primary, number 0, with peers 1 to [`PEERS`], and dependents of it, which have its configuration.
    pub async fn start(size: usize) -> Self {
        Self::with_senders(size, 2).await
    }

    /// The same, with a token for each of so many senders.
    pub async fn with_senders(size: usize, senders: usize) -> Self {
        let place = ROOM.acquire().await.unwrap();
        let network = Network::default();
        let mut instances = Vec::new();
        for number in 0..size {
            instances.push(Instance::new(number, &network).await);
        }
        let door = format!("http://{}", instances[0].door);
        for (number, instance) in instances.iter_mut().enumerate() {
            match number {
                0 => instance.set("ENABLE_SYNC_API", "true"),
                _ => instance.set("PRIMARY_SYNC_URL", &door),
            }
            instance.start();
        }
        let primary = &instances[0];
        // Nothing listens there, so checks of the built-in probes end at once.
        let peers: String = (1..=PEERS).map(|n| format!("tcp://127.0.0.1:{n}\n")).collect();
        fs::write(primary.folder().join("peers.txt"), peers).unwrap();
        primary.command(&["hub", "peer", "import", "peers.txt"]);
        let name = |nth| format!("probe-{nth}");
        let token = |nth| primary.command(&["hub", "token", "create", "--name", &name(nth), "--region", "eu"]);
        let tokens = (1..=senders).map(token).collect();
        let cluster = Self { instances, network, tokens, _place: place };
        assert_eq!(cluster.settled().await, 0);
        cluster
    }

    pub fn peers() -> Vec<i64> {
        (1..=PEERS).collect()
    }

    /// Waits until exactly one of these instances is the primary and the others follow it. Returns it.
    pub async fn leader_of(&self, instances: &[usize]) -> usize {
        let mut told = Vec::new();
        await_that(PATIENCE, &format!("{instances:?} have one primary"), async || {
            told = self.views(instances).await;
            match one_leads(&told) {
                Some(leader) => Ok(instances[leader]),
                None => Err(format!("{told:#?}")),
            }
        })
        .await
    }

    /// Waits until one of these instances leads in a later epoch, whether the others follow it already or not.
    pub async fn successor_of(&self, instances: &[usize], epoch: i64) -> usize {
        await_that(PATIENCE, &format!("one of {instances:?} takes the primary's place"), async || {
            let told = self.views(instances).await;
            let leads =
                |view: &Option<View>| view.as_ref().is_some_and(|view| view.role == "primary" && view.epoch > epoch);
            told.iter().position(leads).map(|nth| instances[nth]).ok_or_else(|| format!("{told:#?}"))
        })
        .await
    }

    /// Waits until all running instances follow one primary, which reaches them, and have one configuration. Returns the primary.
    pub async fn settled(&self) -> usize {
        let running: Vec<usize> = (0..self.instances.len()).filter(|nth| self.instances[*nth].runs()).collect();
        await_that(PATIENCE, "all instances follow one primary, and have its configuration", async || {
            let told = self.views(&running).await;
            let Some(leader) = one_leads(&told) else { return Err(format!("{told:#?}")) };
            let mut configurations = BTreeMap::new();
            for nth in &running {
                let candidates = records::number(&self.instances[*nth], records::CALLED_BACK).await;
                if candidates + 1 < running.len() as i64 {
                    return Err(format!("{nth} knows only {candidates} dependents that the primary called back"));
                }
                configurations.insert(*nth, records::configuration(&self.instances[*nth]).await);
            }
            match differences(&configurations) {
                none if none.is_empty() => Ok(running[leader]),
                some => Err(format!("{some:#?}")),
            }
        })
        .await
    }

    /// Waits until each of these instances has exactly the same results, every acknowledged one of them exactly once. Returns how
    /// many these are.
    pub async fn assert_one_union(&self, of: &[usize], ledger: &Ledger) -> usize {
        let until = u64::try_from(Timestamp::now().0).unwrap();
        let acknowledged = ledger.entries().acknowledged.clone();
        await_that(PATIENCE, &format!("{of:?} have the same results"), async || {
            let mut unions = Vec::new();
            for nth in of {
                unions.push(records::results(&self.instances[*nth], until).await);
            }
            for (union, nth) in unions.iter().zip(of) {
                let doubled: Vec<&Uuid> =
                    union.iter().filter(|(_, stored)| stored.len() > 1).map(|(id, _)| id).collect();
                assert!(doubled.is_empty(), "instance {nth} has results twice: {doubled:?}");
                let lost = acknowledged.keys().filter(|id| !union.contains_key(id)).count();
                if lost > 0 {
                    return Err(format!("instance {nth} misses {lost} of {} acknowledged results", acknowledged.len()));
                }
            }
            let everything: HashMap<&Uuid, &Vec<String>> = unions.iter().flatten().collect();
            let missing = |union: &HashMap<Uuid, Vec<String>>| {
                let missing = everything.iter().filter(|(id, _)| !union.contains_key(id));
                missing.map(|(id, url)| format!("{id} of {url:?}")).collect::<Vec<_>>()
            };
            match unions.windows(2).all(|pair| pair[0] == pair[1]) {
                true => Ok(acknowledged.len()),
                false => Err(format!("they miss {:#?}", unions.iter().map(missing).collect::<Vec<_>>())),
            }
        })
        .await
    }

    async fn views(&self, of: &[usize]) -> Vec<Option<View>> {
        futures::future::join_all(of.iter().map(|nth| self.instances[*nth].view())).await
    }
}

/// Which of them leads, when the others follow it.
fn one_leads(told: &[Option<View>]) -> Option<usize> {
    let views: Vec<&View> = told.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let mut leaders = views.iter().enumerate().filter(|(_, view)| view.role == "primary");
    let (Some((leader, leads)), None) = (leaders.next(), leaders.next()) else { return None };
    let follows = |view: &&View| (&view.primary, view.epoch) == (&leads.id, leads.epoch);
    views.iter().all(follows).then_some(leader)
}

/// The objects in which configurations differ: what each instance has.
fn differences(configurations: &BTreeMap<usize, Configuration>) -> BTreeMap<&(String, String), Vec<Option<&String>>> {
    let keys = configurations.values().flat_map(BTreeMap::keys);
    let all = keys.map(|key| (key, configurations.values().map(|one| one.get(key)).collect::<Vec<_>>()));
    all.filter(|(_, contents)| contents.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

/// Tries again until it succeeds; fails with the last reason.
pub async fn await_that<T>(within: Duration, what: &str, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T
where
    T: Debug,
{
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(reached) => return reached,
            Err(reason) => assert!(begun.elapsed() < within, "not within {within:?}: {what}: {reason}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}
