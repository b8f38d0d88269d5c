//! The network between instances: each is reached through a door, which knows who comes. A test can split it into groups, and
//! make an instance deaf.
//!
//! All instances are on one machine and connect from one address, so a door asks the kernel which process has the other end of a
//! connection.

use std::{
    collections::HashMap,
    fs,
    net::{SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What is between two groups of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Open connections are reset, and new ones end at once.
    Cut,
    /// Connections are accepted and stay open, but pass no data before the fault is over.
    Stall,
}

#[derive(Debug, Clone, Default)]
struct Rules {
    /// The groups, and what is between them. Who is in no group reaches everybody.
    split: Option<(Vec<Vec<usize>>, Fault)>,
    /// What is sent to this instance does not reach it.
    deaf: Option<usize>,
}

impl Rules {
    fn fault(&self, from: Option<usize>, to: usize) -> Option<Fault> {
        if self.deaf == Some(to) {
            return Some(Fault::Stall);
        }
        let (groups, fault) = self.split.as_ref()?;
        let group = |of: usize| groups.iter().position(|group| group.contains(&of));
        let (from, to) = (group(from?)?, group(to)?);
        (from != to).then_some(*fault)
    }
}

/// The network. Instances are known by their number.
#[derive(Clone, Default)]
pub struct Network {
    rules: watch::Sender<Rules>,
    /// The processes of the instances.
    processes: Arc<Mutex<HashMap<usize, u32>>>,
}

impl Network {
    /// Opens the door to the instance `to`, which serves at `server`. Returns the address of the door.
    pub async fn open_door(&self, to: usize, server: SocketAddrV4) -> SocketAddrV4 {
        let listener = TcpListener::bind(SocketAddrV4::new(*server.ip(), 0)).await.unwrap();
        let door = v4(listener.local_addr().unwrap());
        let network = self.clone();
        tokio::spawn(async move {
            while let Ok((client, address)) = listener.accept().await {
                // Who has closed the connection already is not asked.
                let Some(inode) = inode(v4(address), door) else { continue };
                let path = Path { from: network.owner(inode), to, rules: network.rules.subscribe() };
                tokio::spawn(path.connect(client, server.into()));
            }
        });
        door
    }

    /// Notes the process of an instance.
    pub fn set_process(&self, instance: usize, process: u32) {
        self.processes.lock().unwrap().insert(instance, process);
    }

    /// Puts a fault between groups.
    pub fn split(&self, groups: &[&[usize]], fault: Fault) {
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        self.rules.send_modify(|rules| rules.split = Some((groups, fault)));
    }

    /// Lets an instance accept connections and never answer.
    pub fn deafen(&self, instance: usize) {
        self.rules.send_modify(|rules| rules.deaf = Some(instance));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rules.send_replace(Rules::default());
    }

    /// The instance whose process has this socket; `None` when it is a command of an operator.
    fn owner(&self, inode: u64) -> Option<usize> {
        let socket = format!("socket:[{inode}]");
        let processes = self.processes.lock().unwrap().clone();
        processes.into_iter().find(|(_, process)| holds(*process, &socket)).map(|(instance, _)| instance)
    }
}

fn holds(process: u32, socket: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors.flatten().any(|one| fs::read_link(one.path()).is_ok_and(|target| target.as_os_str() == socket))
}

/// The inode of the socket at `local`, which is connected to `remote`.
fn inode(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (kernel_form(local), kernel_form(remote));
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        if (columns.next()?, columns.next()?) != (local.as_str(), remote.as_str()) {
            return None;
        }
        // State, queues, timer, retransmissions, user and timeout come first.
        columns.nth(6)?.parse().ok().filter(|inode| *inode != 0)
    })
}

/// An address as the kernel writes it: the bytes in the order of the machine.
fn kernel_form(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    let SocketAddr::V4(address) = address else { panic!("{address} is an IPv4 address") };
    address
}

/// The path between two instances.
struct Path {
    /// The instance that connects; `None` for a command of an operator.
    from: Option<usize>,
    to: usize,
    rules: watch::Receiver<Rules>,
}

impl Path {
    async fn connect(self, client: TcpStream, server: SocketAddr) {
        // Closed with a reset, as by a cut.
        client.set_zero_linger().unwrap();
        let connected = async {
            self.await_fault(None).await;
            let Ok(server) = TcpStream::connect(server).await else { return };
            server.set_zero_linger().unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = self.pass(from_client, to_server) => {}
                () = self.pass(from_server, to_client) => {}
            }
        };
        tokio::select! {
            () = self.await_fault(Some(Fault::Cut)) => {}
            () = connected => {}
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            self.await_fault(None).await;
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
        // The end of a connection does not pass a fault either.
        self.await_fault(None).await;
    }

    /// Waits until this is the fault; for ever, when the network is gone.
    async fn await_fault(&self, wanted: Option<Fault>) {
        let mut rules = self.rules.clone();
        if rules.wait_for(|rules| rules.fault(self.from, self.to) == wanted).await.is_err() {
            std::future::pending().await
        }
    }
}
