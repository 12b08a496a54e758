//! Other people's programs: they read with tokens, follow what changes, and are told of events.

mod hooks;
mod reading;
mod strangers;

use std::path::Path;

use xunyuan_tests::process::{patrol, xunyuan};

/// An item whose failure raises a severe finding.
const GRAVE_ITEM: &str = "pp.fire.03";

/// A patrol that raises a finding, sent to the branch.
fn finding(replica: &Path) {
    let sheet = patrol(replica, &[]);
    let _ = xunyuan(replica, &["answer", &sheet, GRAVE_ITEM, "fail", "--note", "大堂内充电,李某"]).good();
    let _ = xunyuan(replica, &["sync"]).good();
}
