//! `hub incident`.

use super::{assert_contains, folder_of_hub, printed, refusal, run};

#[test]
fn a_missing_incident_is_named_in_the_refusal() {
    let folder = folder_of_hub();
    let incident = |args: &[&str]| run(folder.path(), &[&["hub", "incident"], args].concat());
    assert_eq!(printed(&incident(&["list"])), "");
    assert_eq!(printed(&incident(&["list", "--json"])), "[]\n");
    assert_contains(&refusal(&incident(&["post", "7", "--en", "On it"])), &["there is no incident with the ID 7"]);
    assert_contains(&refusal(&incident(&["name", "7", "--zh", "断电"])), &["there is no incident with the ID 7"]);
    assert_contains(&refusal(&incident(&["close", "7"])), &["there is no incident with the ID 7"]);
}
