//! The outcome of a cycle as JUnit XML, for CI servers.

use std::{io::Write, time::Duration};

use easytier_probe::Status;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    Outcome,
    faults::{self, Fault, Part},
};
use crate::results::{Checked, words};

/// Writes a test case for each peer, which fails if the peer is offline and is skipped if its status is unknown; and one for
/// each part of the cycle that failed.
pub fn write(out: &mut impl Write, Outcome { cycle, peers, .. }: &Outcome) -> anyhow::Result<()> {
    let took = Duration::from_secs_f64(cycle.duration_ms / 1000.0);
    let mut suite = TestSuite::new("EasyTier nodes");
    suite.set_timestamp(cycle.started_at).set_time(took);
    suite.add_test_cases(peers.iter().map(test_case));
    suite.add_test_cases(faults::of(cycle).iter().map(failed_part));

    let mut report = Report::new("easytier-uptime");
    report.set_uuid(cycle.cycle_id).set_timestamp(cycle.started_at).set_time(took).add_test_suite(suite);
    report.serialize(out)?;
    Ok(())
}

fn test_case(peer: &Checked) -> TestCase {
    let result = &peer.report.result;
    let mut status = match result.status {
        Status::Online => TestCaseStatus::success(),
        Status::Offline => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::skipped(),
    };
    if let Some(problem) = words::problem(result) {
        status.set_message(problem);
    }
    if let Some(code) = result.error {
        status.set_type(code.as_str());
    }
    let mut case = TestCase::new(words::peer(peer.name.as_deref(), &peer.report.url), status);
    case.set_classname("easytier.node").set_timestamp(result.checked_at).set_time(peer.report.timings.total());
    case
}

fn failed_part(fault: &Fault) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(fault.message.as_str());
    let name = match fault.part {
        Part::Fetch => "the backend lists its peers",
        Part::Report => "the backend accepts the results",
    };
    let mut case = TestCase::new(name, status);
    case.set_classname("easytier.cycle");
    case
}
