//! The EasyTier instance that is the node.

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

/// Opening the listeners takes milliseconds. The instance does not always tell when it failed.
const START_DEADLINE: Duration = Duration::from_secs(15);

/// How often the instance is asked; it has nothing to wait on.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

pub struct Instance {
    requested: Vec<Listener>,
    /// Never dropped: that waits for its threads, some of which may be in a system call. The end of the process is
    /// the end of them all.
    instance: ManuallyDrop<NetworkInstance>,
}

impl Instance {
    pub fn start(
        listeners: &[Listener],
        membership: Membership,
        hostname: Option<String>,
        relay_whitelist: String,
    ) -> anyhow::Result<Self> {
        let config = TomlConfigLoader::default();
        let Membership { network_name, network_secret } = membership;
        config.set_network_identity(NetworkIdentity::new(network_name, network_secret.expose().to_owned()));
        config.set_hostname(hostname);
        config.set_listeners(listeners.iter().map(Listener::url).collect());
        // No RPC portal is set, so none is opened, and any number of nodes can share a machine.
        config.set_flags(Flags {
            foreign_network_whitelist: relay_whitelist,
            no_tun: true,
            // Nothing connects to other nodes unasked.
            disable_p2p: true,
            disable_udp_hole_punching: true,
            // Only the additional listener for hole punching goes; [::] can be listened at all the same.
            enable_ipv6: false,
            ..Flags::default()
        });

        let mut instance = NetworkInstance::new(config);
        instance.start().context("cannot start the node")?;
        Ok(Self { requested: listeners.to_vec(), instance: ManuallyDrop::new(instance) })
    }

    /// Waits until every listener is open, and tells their real URLs, in the order they were asked for.
    pub async fn listening(&self) -> anyhow::Result<Vec<String>> {
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

/// Keeps this process from sending DNS queries. An instance looks for STUN servers on the internet however it is
/// configured; without addresses of them it sends nothing.
///
/// # Safety
/// No other thread may be running.
pub unsafe fn forbid_dns_queries() {
    // Understood by glibc. Elsewhere the queries are sent.
    unsafe { std::env::set_var("RES_OPTIONS", "attempts:0") };
}

/// What each of the listeners became, as soon as all of them are open.
fn opened(requested: &[Listener], info: &NetworkInstanceRunningInfo) -> Option<Vec<Listener>> {
    let events = info.events.iter().filter_map(|(_, event)| match event {
        GlobalCtxEvent::ListenerAdded(url) => url.as_str().parse().ok(),
        _ => None,
    });
    // The launcher subscribes to the events while the instance starts, and may miss the first. This list is whole, but
    // up to a second old.
    let listed = info.my_node_info.listeners.iter().filter_map(|url| url.parse().ok());
    assign(requested, events.collect()).or_else(|| assign(requested, listed.collect()))
}

fn assign(requested: &[Listener], mut open: Vec<Listener>) -> Option<Vec<Listener>> {
    requested
        .iter()
        .map(|listener| {
            // One with an open port does not take what another asked for by number.
            let mine = |actual: &Listener| actual == listener || !requested.contains(actual) && listener.became(actual);
            let position = open.iter().position(mine)?;
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
    fn listeners_come_in_the_order_they_were_asked_for() {
        let requested = listeners(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://127.0.0.1:5000"]);
        let open = listeners(&["tcp://127.0.0.1:5000", "udp://127.0.0.1:41000", "tcp://127.0.0.1:42000"]);
        let expected = listeners(&["tcp://127.0.0.1:42000", "udp://127.0.0.1:41000", "tcp://127.0.0.1:5000"]);
        assert_eq!(assign(&requested, open), Some(expected));
    }

    #[test]
    fn one_missing_is_not_ready() {
        let requested = listeners(&["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"]);
        assert_eq!(assign(&requested, listeners(&["tcp://127.0.0.1:42000"])), None);
    }
}
