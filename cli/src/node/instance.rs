//! The EasyTier instance of the node.

use std::{mem::ManuallyDrop, time::Duration};

use anyhow::{Context, bail};
use easytier::{
    common::{
        config::{ConfigLoader, Flags, NetworkIdentity, TomlConfigLoader},
        global_ctx::GlobalCtxEvent,
    },
    launcher::{NetworkInstance, NetworkInstanceRunningInfo},
};
use easytier_probe::Membership;
use tokio::time;

use super::listener::Listener;

/// Opening the listeners takes milliseconds. An instance that fails does not always report it.
const START_DEADLINE: Duration = Duration::from_secs(15);

/// The instance has no notification to wait for.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

pub struct Instance {
    requested: Vec<Listener>,
    /// Never dropped, because that would wait for threads that may be blocked in a system call. They end with the process.
    instance: ManuallyDrop<NetworkInstance>,
}

impl Instance {
    pub fn start(
        listeners: &[Listener],
        membership: Membership,
        hostname: Option<String>,
        flags: Flags,
    ) -> anyhow::Result<Self> {
        let config = TomlConfigLoader::default();
        let Membership { network_name, network_secret } = membership;
        config.set_network_identity(NetworkIdentity::new(network_name, network_secret.expose().to_owned()));
        config.set_hostname(hostname);
        config.set_listeners(listeners.iter().map(Listener::url).collect::<Result<_, _>>()?);
        // Without an RPC portal, any number of nodes can share a machine.
        config.set_flags(flags);

        let mut instance = NetworkInstance::new(config);
        instance.start().context("cannot start the node")?;
        Ok(Self { requested: listeners.to_vec(), instance: ManuallyDrop::new(instance) })
    }

    /// Waits until all listeners are open. Returns their actual URLs in the order of the requested ones.
    pub async fn listener_urls(&self) -> anyhow::Result<Vec<String>> {
        let open = async {
            loop {
                if let Some(info) = self.instance.get_running_info() {
                    if let Some(error) = info.error_msg {
                        bail!("the node could not be started: {error}");
                    }
                    if let Some(listeners) = opened(&self.requested, &info) {
                        return Ok(listeners.iter().map(Listener::to_string).collect());
                    }
                }
                time::sleep(POLL_INTERVAL).await;
            }
        };
        time::timeout(START_DEADLINE, open)
            .await
            .with_context(|| format!("the node did not open its listeners within {START_DEADLINE:?}"))?
    }
}

/// The flags of a node that needs no privileges and opens no connections to other nodes.
pub fn flags() -> Flags {
    Flags {
        no_tun: true,
        disable_p2p: true,
        disable_udp_hole_punching: true,
        // This only removes the additional listener for hole punching. Listening at [::] is possible nevertheless.
        enable_ipv6: false,
        ..Flags::default()
    }
}

/// Prevents this process from sending DNS queries. An instance always looks up STUN servers on the internet; without their
/// addresses it sends nothing.
///
/// # Safety
/// No other thread may be running.
#[expect(clippy::disallowed_methods, reason = "the resolver of glibc can be configured by the environment alone")]
#[allow(unsafe_code, reason = "the caller guarantees that no other thread runs")]
pub unsafe fn forbid_dns_queries() {
    // Only glibc reads this variable. On other systems the queries are sent.
    unsafe { std::env::set_var("RES_OPTIONS", "attempts:0") };
}

/// The actual listener for each requested one, or `None` until all are open.
fn opened(requested: &[Listener], info: &NetworkInstanceRunningInfo) -> Option<Vec<Listener>> {
    let events = info.events.iter().filter_map(|(_, event)| match event {
        GlobalCtxEvent::ListenerAdded(url) => url.as_str().parse().ok(),
        _ => None,
    });
    // The launcher subscribes to events while the instance starts, and may miss the first ones. The list of the running node
    // is complete, but up to a second old.
    let listed = info.my_node_info.listeners.iter().filter_map(|url| url.parse().ok());
    assign(requested, events.collect()).or_else(|| assign(requested, listed.collect()))
}

fn assign(requested: &[Listener], mut open: Vec<Listener>) -> Option<Vec<Listener>> {
    requested
        .iter()
        .map(|listener| {
            // A request with port 0 does not take a listener that another request names by its port.
            let matches =
                |actual: &Listener| actual == listener || !requested.contains(actual) && listener.matches(actual);
            let position = open.iter().position(matches)?;
            Some(open.remove(position))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(urls: &[&str]) -> Vec<Listener> {
        urls.iter().map(|url| url.parse().unwrap()).collect()
    }

    #[test]
    fn listeners_are_in_the_order_of_the_requested_ones() {
        let requested = listeners(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://127.0.0.1:5000"]);
        let open = listeners(&["tcp://127.0.0.1:5000", "udp://127.0.0.1:41000", "tcp://127.0.0.1:42000"]);
        let expected = listeners(&["tcp://127.0.0.1:42000", "udp://127.0.0.1:41000", "tcp://127.0.0.1:5000"]);
        assert_eq!(assign(&requested, open), Some(expected));
    }

    #[test]
    fn a_missing_listener_is_not_ready() {
        let requested = listeners(&["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"]);
        assert_eq!(assign(&requested, listeners(&["tcp://127.0.0.1:42000"])), None);
    }
}
