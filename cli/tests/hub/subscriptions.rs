//! `hub subscriptions`.

use serde_json::{Value, json};

use super::{assert_contains, folder_of_hub, printed, refusal, run};

#[test]
fn subscriptions_are_counted_and_an_unknown_mailbox_is_refused() {
    let folder = folder_of_hub();
    let hub = |args: &[&str]| run(folder.path(), &[&["hub"], args].concat());
    let add = "channel add mail --name post --server smtp.example --from a@example.org --to b@example.org --subscriptions yes";
    printed(&hub(&add.split(' ').collect::<Vec<_>>()));
    let counts: Value = serde_json::from_str(&printed(&hub(&["subscriptions", "--json"]))).unwrap();
    assert_eq!(
        (&counts["channel"], &counts["mailboxes"], &counts["offered"]),
        (&json!("post"), &json!(0), &json!(false))
    );
    assert_contains(&printed(&hub(&["subscriptions"])), &["MAILBOXES", "post"]);
    let unknown = refusal(&hub(&["subscriptions", "remove", "reader@example.net"]));
    assert_contains(&unknown, &["the mailbox is not known"]);
    assert!(!unknown.contains("reader"), "{unknown}");
    assert_contains(&refusal(&hub(&["subscriptions", "remove", "nobody"])), &["must be an email address"]);
}
