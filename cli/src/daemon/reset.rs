//! `daemon --reset-control`: forgets what a hub pushed to the probe.

use std::collections::BTreeMap;

use easytier_uptime_config::{Reader, Sources, values};
use easytier_uptime_store::{Access, HeldPushed, PushedKey, domain::PushedConfig};

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    print,
};

pub fn run(flags: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let sources = Sources::from_process(flags);
    let mut reader = Reader::new(&sources);
    let control = reader.optional("CONTROL_TOKEN", values::control_token);
    let token = control.or_else(|| reader.optional("NODE_TOKEN", values::token));
    let history = HubConfig::read(&mut reader);
    let history = reader.finish_option(history)?;
    let key = token.map(|token| PushedKey::of(&token));
    let (held, was_there) = database::with(Access::Change, &history, async |store| {
        let held = match &key {
            Some(key) => store.held_pushed(key).await?,
            None => HeldPushed::Unreadable,
        };
        Ok((held, store.forget_pushed().await?))
    })?;
    match (was_there, held) {
        (true, HeldPushed::Config(config)) => print::line(forgotten(&config))?,
        (true, _) => print::line("forgot a pushed configuration, which was sealed with another token")?,
        (false, _) => print::line("nothing was pushed to this probe")?,
    }
    if was_there {
        print::note("peers and results stay; a daemon that runs goes on with its settings until it is started again");
    }
    Ok(Exit::Success)
}

fn forgotten(config: &PushedConfig) -> String {
    let mut text = format!("forgot the configuration {}", config.version);
    for (name, value) in &config.settings {
        text += &format!("\nforgot {name}={value}");
    }
    if let Some(enrollment) = &config.enrollment {
        text += &format!("\nforgot the enrollment as {} at {}", enrollment.server_id, enrollment.backend_base_url);
    }
    text
}
