//! The pages in a real browser: runs the steps in tests/browser.

use std::{
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn the_pages_work_in_a_browser() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser/run");
    // The screenshots stay there.
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let run = Command::new(script)
        .arg(env!("CARGO_BIN_EXE_easytier-uptime"))
        .arg(output)
        .stdin(Stdio::null())
        .output()
        .expect("a shell is there");
    let [stdout, stderr] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(run.status.success(), "{stdout}\n{stderr}");
}
