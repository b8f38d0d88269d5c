//! The help text, for a person who starts the function by hand.

use crate::sandbox;

const ABOUT: &str = "\
The probe cycle of easytier-uptime as an AWS Lambda function: it checks the peers that are due at a hub, and reports.
Lambda starts it, or 'cargo lambda watch' on this machine. It takes an event:

  {}                                  check everything that is due, as long as the time lasts
  {\"peers\": [\"tcp://192.0.2.1:11010\"]}  check these peers, without a hub
  {\"count\": 100}                      check at most 100 peers
  {\"claim\": false}                    check the whole listing, due or not
  {\"region\": \"eu\"}                    use another region than the configured one

NODE_TOKEN and API_KEY may be 'ssm:<parameter name>' or 'secretsmanager:<arn or name>'.

Environment variables:
";

/// The events and all variables.
pub fn text() -> String {
    let variables = sandbox::variables().map(|(setting, default)| {
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        format!("  {:<22} {}{default}\n", setting.name, setting.help)
    });
    ABOUT.to_owned() + &variables.collect::<String>()
}
