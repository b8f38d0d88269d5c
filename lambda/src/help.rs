//! What a person sees who starts the function by hand.

use std::fmt::Write;

use crate::sandbox;

const ABOUT: &str = "\
The probe cycle of easytier-uptime as an AWS Lambda function: it checks the peers that are due at a hub, and reports.
It is started by Lambda, or on this machine by 'cargo lambda watch', and takes an event:

  {}                                  everything that is due, as long as the time lasts
  {\"peers\": [\"tcp://192.0.2.1:11010\"]}  just these, without a hub
  {\"count\": 100}                      at most so many
  {\"claim\": false}                    the whole listing, due or not
  {\"region\": \"eu\"}                    another region than the configured one

NODE_TOKEN and API_KEY may be 'ssm:<parameter name>' or 'secretsmanager:<arn or name>'.

Environment variables:
";

/// All that can be set.
pub fn text() -> String {
    let mut text = ABOUT.to_owned();
    for (setting, default) in sandbox::variables() {
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        writeln!(text, "  {:<22} {}{default}", setting.name, setting.help).expect("a String takes any text");
    }
    text
}
