//! Which log lines are written, and in which format.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The prefixes of our own crates' log targets.
const OWN_TARGETS: [&str; 2] = ["easytier_probe", "easytier_uptime"];

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Parses the value of `RUST_LOG`. A level without a target, such as `info`, applies to our own crates. Other crates log
/// errors only, unless a directive names them. `defaults` are further directives, which those of `text` override.
///
/// # Errors
///
/// Says what to write instead when `text` is not a filter.
pub fn log_filter(text: &str, defaults: &[&str]) -> Result<EnvFilter, String> {
    let own = text.split(',').map(|directive| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => OWN_TARGETS.map(|target| format!("{target}={level}")).join(","),
        Err(_) => directive.to_owned(),
    });
    let directives: Vec<String> =
        defaults.iter().map(|&directive| directive.to_owned()).chain(["error".to_owned()]).chain(own).collect();
    EnvFilter::try_new(directives.join(","))
        .map_err(|_| "write error, warn, info, debug or trace, or a filter such as info,hyper=debug".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(text: &str, defaults: &[&str]) -> String {
        let filter = log_filter(text, defaults).unwrap().to_string();
        let mut directives: Vec<&str> = filter.split(',').collect();
        directives.sort_unstable();
        directives.join(" ")
    }

    #[test]
    fn a_level_applies_to_our_own_crates() {
        assert_eq!(directives("info", &[]), "easytier_probe=info easytier_uptime=info error");
        assert_eq!(
            directives("debug,hyper=trace", &[]),
            "easytier_probe=debug easytier_uptime=debug error hyper=trace"
        );
    }

    #[test]
    fn the_text_overrides_the_defaults() {
        assert_eq!(directives("off", &["h=info"]), "easytier_probe=off easytier_uptime=off error h=info");
        assert_eq!(directives("h=debug", &["h=info"]), "error h=debug");
    }

    #[test]
    fn a_text_that_is_no_filter_is_refused() {
        assert!(log_filter("easytier=loud", &[]).is_err());
    }
}
