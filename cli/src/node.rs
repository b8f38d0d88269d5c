//! `node`: a real EasyTier node without a TUN device.

mod instance;
mod listener;
mod stdout;

use std::io::Write;

use anyhow::Context;
use clap::Args;
use easytier_probe::{Membership, Secret, peer::DEFAULT_NETWORK_NAME};

use self::{instance::Instance, listener::Listener};
use crate::{exit::Exit, network::NetworkArgs, runtime, stop};

const EXAMPLES: &str = "\
Examples:
  A node at a free port, and a check of it:
    easytier-uptime node --listen tcp://127.0.0.1:0
    easytier-uptime check tcp://127.0.0.1:PORT
  A private node, over two protocols, for nobody but its own network:
    NETWORK_SECRET=... easytier-uptime node --network-name home --relay-whitelist '' \\
        --listen tcp://0.0.0.0:11010 udp://0.0.0.0:11010

When every listener is open, one line with the real URLs is printed, and nothing else on standard output:
  listening on tcp://127.0.0.1:40217

Exit codes:
  0  stopped by Ctrl-C, SIGTERM or --exit-with-stdin
  2  the node could not be started: bad usage, a port in use";

/// Runs a real EasyTier node, for tests, demonstrations and trying things out
///
/// The node has no TUN device and no virtual address, needs no privileges, connects to nobody by itself, and runs
/// until it is stopped. Without options that name a network it is in EasyTier's network "default" with an empty
/// secret.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodeArgs {
    /// Where to listen: tcp, udp, ws, wss, wg or quic, at an IP address of this machine; port 0 takes a free one.
    /// Several URLs may follow
    #[arg(long, short, value_name = "URL", required = true, num_args = 1..)]
    listen: Vec<Listener>,

    /// The name the node goes by, cut at 32 characters [default: this machine's]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,

    /// Which other networks may meet at this node and relay their data through it: names separated by spaces, with
    /// '*' and '?' as wildcards. Who comes with any other network is turned away at the handshake; '' turns away all
    #[arg(long, value_name = "NAMES", default_value = "*")]
    relay_whitelist: String,

    /// Stop when standard input ends, so that the node does not outlive the program that started it
    #[arg(long)]
    exit_with_stdin: bool,

    #[command(flatten)]
    network: NetworkArgs,
}

pub fn run(args: NodeArgs) -> anyhow::Result<Exit> {
    let membership = args.network.membership()?.unwrap_or_else(|| Membership {
        network_name: DEFAULT_NETWORK_NAME.to_owned(),
        network_secret: Secret::default(),
    });
    listener::ensure_free(&args.listen)?;

    // SAFETY: no other thread runs yet.
    unsafe { instance::forbid_dns_queries() };
    let mut stdout = stdout::divert_to_stderr().context("cannot set standard output apart")?;
    let runtime = runtime::of_one_thread()?;
    runtime.block_on(async {
        // Before the line is printed, so that a signal that answers it ends the node in order.
        let stop = stop::requested(args.exit_with_stdin)?;
        let instance = Instance::start(&args.listen, membership, args.hostname, args.relay_whitelist)?;
        let urls = instance.listening().await?;
        // In one write: the reader gets all of the line or none of it.
        stdout.write_all(format!("listening on {}\n", urls.join(" ")).as_bytes())?;
        stop.await;
        Ok(Exit::Success)
    })
}
