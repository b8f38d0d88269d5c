//! `node`: an EasyTier node without a TUN device.

mod instance;
mod listener;
mod stdout;

use std::io::Write;

use anyhow::Context;
use clap::Args;
use easytier::common::config::Flags;
use easytier_probe::{Membership, Secret, peer::DEFAULT_NETWORK_NAME};

use self::{instance::Instance, listener::Listener};
use crate::{exit::Exit, network::NetworkArgs, runtime, stop};

const EXAMPLES: &str = "\
Examples:
  A node at a free port, and a check of it:
    easytier-uptime node --listen tcp://127.0.0.1:0
    easytier-uptime check tcp://127.0.0.1:PORT
  A private node with two protocols, which admits only its own network:
    NETWORK_SECRET=... easytier-uptime node --network-name home --relay-whitelist '' \\
        --listen tcp://0.0.0.0:11010 udp://0.0.0.0:11010

When all listeners are open, one line with their actual URLs is printed to standard output, and nothing else:
  listening on tcp://127.0.0.1:40217

Exit codes:
  0  stopped by Ctrl-C, SIGTERM or --exit-with-stdin
  2  the node could not be started: bad usage, a port in use";

/// Runs an EasyTier node, for tests and demonstrations
///
/// The node has no TUN device and no virtual address, needs no privileges, opens no connections to other nodes, and runs until
/// it is stopped. Without network options it is in EasyTier's network "default" with an empty secret.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodeArgs {
    /// URLs to listen at: tcp, udp, ws, wss, wg or quic, with an IP address of this machine; port 0 for any free port
    #[arg(long, short, value_name = "URL", required = true, num_args = 1..)]
    listen: Vec<Listener>,

    /// Host name of the node, truncated to 32 characters [default: that of this machine]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,

    /// Other networks that may use this node and relay data through it: names separated by spaces, with '*' and '?' as
    /// wildcards. Guests from any other network are rejected at the handshake; '' rejects all
    #[arg(long, value_name = "NAMES", default_value = "*")]
    relay_whitelist: String,

    /// Admit every network, and relay only the data of those that --relay-whitelist names
    #[arg(long)]
    relay_all_peer_rpc: bool,

    /// Send data within the node's own network without encryption
    #[arg(long)]
    disable_encryption: bool,

    /// Stop when standard input is closed, so that the node ends with the program that started it
    #[arg(long)]
    exit_with_stdin: bool,

    #[command(flatten)]
    network: NetworkArgs,
}

#[allow(unsafe_code, reason = "the environment is changed before any thread starts")]
pub fn run(args: NodeArgs) -> anyhow::Result<Exit> {
    let membership = args.network.membership()?.unwrap_or_else(|| Membership {
        network_name: DEFAULT_NETWORK_NAME.to_owned(),
        network_secret: Secret::default(),
    });
    listener::ensure_free(&args.listen)?;

    // SAFETY: no other thread runs yet.
    unsafe { instance::forbid_dns_queries() };
    let mut stdout = stdout::redirect_to_stderr().context("cannot redirect standard output")?;
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        // The handlers precede the line on standard output, because its reader may send a signal at once.
        let stop = stop::requested(args.exit_with_stdin)?;
        let flags = Flags {
            foreign_network_whitelist: args.relay_whitelist,
            relay_all_peer_rpc: args.relay_all_peer_rpc,
            enable_encryption: !args.disable_encryption,
            ..instance::flags()
        };
        let instance = Instance::start(&args.listen, membership, args.hostname, flags)?;
        let urls = instance.listener_urls().await?;
        // One write, so that the reader gets the whole line or nothing.
        stdout.write_all(format!("listening on {}\n", urls.join(" ")).as_bytes())?;
        stop.await;
        Ok(Exit::Success)
    })
}
