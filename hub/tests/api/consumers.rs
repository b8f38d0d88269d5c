//! What programs of the EasyTier world do with a list: their rules, in words of our own. Each returns the addresses that it would
//! use, in its order.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

fn items(list: &Value) -> &[Value] {
    list["data"]["items"].as_array().expect("data.items")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn has_tag(node: &Value, tag: &str) -> bool {
    node["tags"].as_array().expect("tags").iter().any(|own| own == tag)
}

fn sorted_by(mut nodes: Vec<&Value>, load: impl Fn(&Value) -> f64) -> Vec<String> {
    nodes.sort_by(|a, b| load(a).total_cmp(&load(b)));
    nodes.iter().map(|node| text(&node["address"]).to_owned()).collect()
}

/// The newer PCL: active and approved nodes that relay, with both tags. It takes a node whose load is 0 for broken, and an id that is not
/// small does not fit into an invitation.
pub fn newer_pcl(list: &Value) -> Vec<String> {
    let is_good = |node: &&Value| {
        assert!(node["id"].as_i64().is_some_and(|id| id < 4096));
        node["is_active"] == true
            && node["is_approved"] == true
            && node["allow_relay"] == true
            && has_tag(node, "国内")
            && has_tag(node, "MC中继")
            && number(&node["usage_percentage"]) != 0.0
    };
    let load = |node: &Value| number(&node["usage_percentage"]) * (110.0 - number(&node["health_percentage_24h"]));
    sorted_by(items(list).iter().filter(is_good).collect(), load)
}

/// PCL at 4d21b36: healthy TCP nodes in China that stay, with any load but 0.
pub fn older_pcl(list: &Value) -> Vec<String> {
    let is_good = |node: &&Value| {
        node["protocol"] == "tcp"
            && node["current_health_status"] == "healthy"
            && has_tag(node, "国内")
            && !has_tag(node, "即将下线")
            && number(&node["usage_percentage"]) != 0.0
    };
    let load = |node: &Value| number(&node["usage_percentage"]) * (103.0 - number(&node["health_percentage_24h"]));
    sorted_by(items(list).iter().filter(is_good).collect(), load)
}

/// Terracotta until November 2025, which asks for one tag and active nodes.
pub fn older_terracotta(list: &Value) -> Vec<String> {
    assert_eq!(list["success"], true);
    let relays = items(list).iter().filter(|node| node["allow_relay"] == true && node["is_active"] == true);
    relays.map(|node| text(&node["address"]).to_owned()).collect()
}

/// HMCL, and launchers that give Terracotta its nodes: those in China, or all, as the player is there or not. An entry without a URL
/// makes the whole list useless.
pub fn newer_terracotta(list: &Value, is_in_china: bool) -> Vec<String> {
    #[derive(Deserialize)]
    struct Listed {
        url: String,
        region: String,
    }
    let listed: Vec<Listed> = serde_json::from_value(list.clone()).expect("an array of URLs and regions");
    let fits = listed.into_iter().filter(|node| is_in_china || node.region != "CN");
    let usable = |node: Listed| {
        node.url.parse::<url::Url>().expect("a URL");
        node.url
    };
    fits.map(usable).collect()
}

/// Astral, whose model has no null.
pub fn astral(list: &Value) -> Vec<String> {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "they need only be there")]
    struct Server {
        id: i32,
        name: String,
        host: String,
        port: u16,
        protocol: String,
        version: String,
        description: String,
        max_connections: i32,
        current_connections: i32,
        is_active: bool,
        is_approved: bool,
        allow_relay: bool,
        created_at: String,
        updated_at: String,
        address: String,
    }
    let servers: Vec<Server> = serde_json::from_value(list["data"]["items"].clone()).expect("nothing is null");
    servers.into_iter().map(|server| server.address).collect()
}

/// QtEasyTier and its relatives: groups of public nodes, of which the name says where they are; the name of a monitor is taken
/// apart, and the last heartbeat has whole milliseconds. Addresses of nodes that are online, whether abroad, whether they relay.
pub fn qt_easytier(page: &Value, beats: &Value) -> Vec<(String, bool, bool)> {
    let groups = page["publicGroupList"].as_array().expect("groups").iter();
    let public = groups.filter(|group| text(&group["name"]).contains("公共节点"));
    let monitors = public.flat_map(|group| {
        let is_abroad = text(&group["name"]).contains("海外");
        group["monitorList"].as_array().expect("monitors").iter().map(move |monitor| (monitor, is_abroad))
    });
    let node = |(monitor, is_abroad): (&Value, bool)| {
        let name = text(&monitor["name"]);
        let (address, rest) = name.split_once('（').expect("an address in front of a bracket");
        assert!(address.contains("://") && rest.ends_with('）') && rest.len() > '）'.len_utf8(), "{name}");
        let id = monitor["id"].as_i64().expect("a whole number");
        let last = beats["heartbeatList"][id.to_string()].as_array().and_then(|beats| beats.last())?;
        if last["status"].as_i64() != Some(1) {
            return None;
        }
        assert!(last["ping"].as_i64().is_some(), "{last}");
        let uptime = beats["uptimeList"][format!("{id}_24")].as_f64().expect("a share");
        assert!((0.0..=1.0).contains(&uptime));
        Some((address.to_owned(), is_abroad, !name.contains("禁中转")))
    };
    monitors.filter_map(node).collect()
}

/// PCL-CE: version 1, the first notice whatever there is, and relays with a name, a URL and a type.
pub fn pcl_ce(announcement: &Value) -> Vec<String> {
    assert_eq!((announcement["version"].as_i64(), announcement["requireRealname"].as_bool()), (Some(1), Some(false)));
    assert!(announcement["notices"][0]["content"].is_string() && announcement["notices"][0]["type"].is_string());
    if announcement["available"] != true {
        return Vec::new();
    }
    let relay = |relay: &Value| {
        assert!(["name", "desc", "type"].iter().all(|field| relay[field].is_string()), "{relay}");
        text(&relay["url"]).to_owned()
    };
    announcement["relays"].as_array().expect("relays").iter().map(relay).collect()
}

/// Clients of easytier-worker: the first connection of each node that is online.
pub fn worker(list: &Value) -> Vec<String> {
    let online = list["nodes"].as_array().expect("nodes").iter().filter(|node| node["status"] == "online");
    let address = |node: &Value| {
        let first = &node["connections"][0];
        format!("{}://{}:{}", text(&first["type"]).to_lowercase(), text(&first["ip"]), first["port"])
    };
    online.map(address).collect()
}

/// An EasyTier client that has the URL of a list as a peer: it takes lines at random, and fails at one that it cannot speak.
pub fn easytier(lines: &str) -> HashSet<String> {
    let spoken = ["tcp", "udp", "ws", "wss", "wg", "quic"];
    let url = |line: &str| {
        let url: url::Url = line.parse().expect("each line is a URL");
        assert!(spoken.contains(&url.scheme()), "{line}");
        line.to_owned()
    };
    lines.lines().map(url).collect()
}
