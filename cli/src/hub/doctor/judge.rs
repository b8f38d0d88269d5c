//! What is wrong by what was read: pure functions.

use std::time::Duration;

use easytier_uptime_config::duration;
use easytier_uptime_store::{DiskSpace, Refusal, VersionMismatch, domain::Timestamp};

use super::{
    Finding,
    readings::{DatabaseReading, HubReading, KeyReading, Opened, PortReading, PublicReading, Readings},
};

/// Clocks that are synchronised differ by less than this.
const AHEAD: Duration = Duration::from_secs(120);

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate that is renewed by itself is renewed before this.
const CERTIFICATE_SOON: Duration = DAY.saturating_mul(14);

/// With less than this the next results may fill a disk.
const LEAST_FREE: u64 = 100 << 20;

/// What the hub warns of.
const UNKNOWN_PROXY: &str = "TRUSTED_PROXIES";

/// A configuration that is not valid: one finding for each line.
pub fn configuration(errors: &str) -> Vec<Finding> {
    let lines = errors.lines().skip(1).map(str::trim);
    lines.map(|line| Finding::problem("configuration", line, "correct this setting, and start the hub again")).collect()
}

/// Everything, in the order in which it is printed.
pub fn all(readings: &Readings) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("configuration", "it is valid")];
    findings.extend(database(&readings.name, &readings.database));
    findings.push(key(&readings.database, readings.key.as_ref()));
    let opened = match &readings.database {
        DatabaseReading::Opened(opened) => Some(opened),
        _ => None,
    };
    findings.push(match opened {
        Some(opened) => clock(opened, readings.now),
        None => Finding::skipped("clock", "the database was not opened"),
    });
    findings.push(disk(readings.disk, opened.map_or(0, |opened| opened.size)));
    findings.push(port(&readings.listen, &readings.port));
    findings.push(proxies(readings.trusts_proxies, readings.public.as_ref(), &readings.port));
    findings.push(public(readings.public.as_ref()));
    findings
}

fn database(name: &str, reading: &DatabaseReading) -> Vec<Finding> {
    const CHECK: &str = "database";
    let problem = |found: String, advice: &str| vec![Finding::problem(CHECK, found, advice)];
    match reading {
        DatabaseReading::Missing => vec![Finding::warning(
            CHECK,
            format!("there is no database {name}"),
            "start the hub once ('easytier-uptime hub'), run this in its folder, or name the database with DATABASE_PATH",
        )],
        DatabaseReading::NoKey(_) | DatabaseReading::OtherKey => {
            vec![Finding::skipped(CHECK, format!("{name} was not opened: its key is not there"))]
        }
        DatabaseReading::Refused(Refusal::Version(VersionMismatch { is_newer: false, database, program, .. })) => {
            vec![Finding::warning(
                CHECK,
                format!("{name} has schema {database}, and this program needs {program}"),
                "make a backup ('hub backup'), then start this version's hub, which upgrades it",
            )]
        }
        DatabaseReading::Refused(refusal @ Refusal::Version(_)) => problem(
            format!("{name}: {refusal}"),
            "install that version or a newer one, or restore a backup of the time before",
        ),
        DatabaseReading::Refused(refusal) => {
            problem(format!("{name}: {refusal}"), "name another file or database with DATABASE_PATH or DATABASE_URL")
        }
        DatabaseReading::Failed(why) => problem(
            format!("{name} cannot be opened: {why}"),
            "see whether the server or the disk works, and whether this user may read and write it",
        ),
        DatabaseReading::Opened(opened) => of_opened(name, opened),
    }
}

fn of_opened(name: &str, opened: &Opened) -> Vec<Finding> {
    const CHECK: &str = "database";
    let size = bytes(opened.size);
    let mut findings = vec![match &opened.damage {
        Some(damage) if !damage.is_empty() => Finding::problem(
            CHECK,
            format!("{name} is damaged: {}", damage.join("; ")),
            "stop the hub, look at the disk, and restore a backup ('hub restore')",
        ),
        Some(_) => Finding::ok(CHECK, format!("{name} has the schema of this program and no damage, {size}")),
        None => Finding::ok(CHECK, format!("{name} has the schema of this program, {size}")),
    }];
    if !opened.other_hubs.is_empty() {
        let hubs = opened.other_hubs.join(", ");
        findings.push(Finding::warning(
            CHECK,
            format!("hubs of other versions run on it: {hubs}"),
            "finish the upgrade: run the same version everywhere",
        ));
    }
    findings
}

fn key(database: &DatabaseReading, file: Option<&KeyReading>) -> Finding {
    const CHECK: &str = "key";
    match (database, file) {
        (DatabaseReading::NoKey(why), _) => {
            Finding::problem(CHECK, why.as_str(), "without it no secret in the database can be read")
        }
        (DatabaseReading::OtherKey, file) => {
            let place = file.map_or("HUB_KEY or HUB_KEY_FILE", |key| key.file.as_str());
            Finding::problem(
                CHECK,
                format!("the database was made with another key than that in {place}"),
                "put the key there that the database was made with; after 'hub key rotate-secrets' that is the new one",
            )
        }
        (DatabaseReading::Opened(_), Some(KeyReading { file, is_open_to_others: true })) => Finding::warning(
            CHECK,
            format!("others than its owner may read '{file}'"),
            "chmod 600 it; if somebody may have read it, replace the key with 'hub key rotate-secrets'",
        ),
        (DatabaseReading::Opened(_), _) => Finding::ok(CHECK, "it fits the database"),
        _ => Finding::skipped(CHECK, "the database was not opened"),
    }
}

fn clock(opened: &Opened, now: Timestamp) -> Finding {
    const CHECK: &str = "clock";
    let ahead = |at: Option<Timestamp>| at.map(|at| at.since(now)).filter(|ahead| *ahead > AHEAD).map(seconds);
    if opened.clock.is_too_large() {
        return Finding::problem(CHECK, opened.clock.to_string(), "synchronise both machines by NTP");
    }
    if let Some(ahead) = ahead(opened.newest_sign) {
        return Finding::problem(
            CHECK,
            format!("a probe was heard from {ahead} in the future, so this clock is behind what it was"),
            "set the clock by NTP",
        );
    }
    if let Some(ahead) = ahead(opened.newest_check) {
        return Finding::problem(
            CHECK,
            format!("the newest check was made {ahead} in the future"),
            "set the clock of this machine and those of the probes by NTP",
        );
    }
    match opened.newest_check {
        Some(at) => Finding::ok(
            CHECK,
            format!("it agrees with the database; the newest check was {} ago", seconds(now.since(at))),
        ),
        None => Finding::ok(CHECK, "it agrees with the database; there are no results yet"),
    }
}

fn disk(space: Option<DiskSpace>, size: u64) -> Finding {
    const CHECK: &str = "disk";
    let Some(DiskSpace { free, total }) = space else {
        return Finding::skipped(CHECK, "the database is not a file on this machine");
    };
    let found = format!("{} of {} are free", bytes(free), bytes(total));
    if free < LEAST_FREE {
        Finding::problem(CHECK, found, "make room: on a full disk no result is stored")
    } else if free < size {
        let advice =
            "make room, or write backups elsewhere: a backup or restore beside the database needs as much as it has";
        Finding::warning(CHECK, format!("{found}, less than the database has"), advice)
    } else if free < total / 20 {
        Finding::warning(CHECK, found, "make room, or shorten RESULT_RETENTION")
    } else {
        Finding::ok(CHECK, found)
    }
}

fn port((host, port): &(String, u16), reading: &PortReading) -> Finding {
    const CHECK: &str = "port";
    match reading {
        PortReading::Any => Finding::skipped(CHECK, "SERVER_PORT is 0: any free port is taken at the start"),
        PortReading::Free => Finding::ok(CHECK, format!("{port} at {host} is free: no hub runs there")),
        PortReading::Unusable(why) => Finding::problem(
            CHECK,
            format!("{port} at {host} cannot be listened at: {why}"),
            "set SERVER_HOST to an address of this machine, and SERVER_PORT to a port above 1023",
        ),
        PortReading::Foreign(why) => Finding::problem(
            CHECK,
            format!("{port} at {host} is held by something that does not answer as a hub: {why}"),
            "stop that program, or set another SERVER_PORT; if it is a hub that hangs, restart it",
        ),
        PortReading::Hub(HubReading { works: false, message, .. }) => {
            Finding::problem(CHECK, format!("the hub at {host}, port {port}, does not work: {message}"), "see its log")
        }
        PortReading::Hub(hub) => of_hub(format!("a hub answers at {host}, port {port}: {}", hub.message), hub),
    }
}

/// What a hub warns of that is not told elsewhere.
fn of_hub(found: String, hub: &HubReading) -> Finding {
    let warnings: Vec<&str> =
        hub.warnings.iter().map(String::as_str).filter(|one| !one.contains(UNKNOWN_PROXY)).collect();
    match warnings.is_empty() {
        true => Finding::ok("port", found),
        false => Finding::warning("port", format!("{found}, but it warns"), warnings.join("; ")),
    }
}

fn proxies(trusts: bool, public: Option<&PublicReading>, port: &PortReading) -> Finding {
    const CHECK: &str = "proxies";
    const ADVICE: &str = "add the address of the proxy to TRUSTED_PROXIES, and restart the hub";
    let is_https = public.is_some_and(|public| public.is_https);
    match port {
        PortReading::Hub(hub) if hub.warnings.iter().any(|warning| warning.contains(UNKNOWN_PROXY)) => {
            let found =
                "requests come through a proxy that is not in TRUSTED_PROXIES: all visitors share one address's limits";
            Finding::problem(CHECK, found, format!("{ADVICE}; its log names the address"))
        }
        _ if is_https && !trusts => Finding::warning(
            CHECK,
            "PUBLIC_URL is https, so a proxy is before the hub, and TRUSTED_PROXIES is empty",
            ADVICE,
        ),
        PortReading::Hub(_) => Finding::ok(CHECK, "the hub has seen no proxy that it does not trust"),
        _ => Finding::skipped(CHECK, "no hub runs that could have seen any"),
    }
}

fn public(reading: Option<&PublicReading>) -> Finding {
    const CHECK: &str = "public URL";
    let Some(PublicReading { url, is_https, answer, certificate_left }) = reading else {
        return Finding::skipped(CHECK, "PUBLIC_URL is not set: messages have no links, and nobody can subscribe");
    };
    match (answer, certificate_left) {
        (Err(why), _) => Finding::problem(
            CHECK,
            format!("{url} does not answer: {why}"),
            "look at the name, the proxy and its certificate; if only this machine cannot reach it, ask from another one",
        ),
        (Ok(HubReading { works: false, message, .. }), _) => Finding::problem(
            CHECK,
            format!("{url} answers, but not as a hub that works: {message}"),
            "see whether the proxy passes requests to this hub",
        ),
        (Ok(_), Some(left)) if *left < CERTIFICATE_SOON => Finding::warning(
            CHECK,
            format!("the certificate of {url} ends in {} days", left.as_secs() / DAY.as_secs()),
            "see why it was not renewed",
        ),
        (Ok(_), Some(left)) => Finding::ok(
            CHECK,
            format!("{url} answers; its certificate is valid for {} days", left.as_secs() / DAY.as_secs()),
        ),
        (Ok(_), None) if *is_https => Finding::ok(CHECK, format!("{url} answers")),
        (Ok(_), None) => Finding::warning(
            CHECK,
            format!("{url} answers without encryption"),
            "passwords and tokens can be read on the way: let a proxy serve it by https",
        ),
    }
}

fn seconds(time: Duration) -> String {
    duration::format(Duration::from_secs(time.as_secs()))
}

/// In the largest unit that gives a number of at least 1.
fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, size)| count >= *size);
    unit.map_or_else(|| format!("{count} bytes"), |(name, size)| format!("{:.1} {name}", count as f64 / *size as f64))
}

#[cfg(test)]
mod tests;
