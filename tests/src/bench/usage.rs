//! What a process used, read from `/proc`.

use std::fs;

/// CPU time and peak memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// CPU time of its threads so far, milliseconds.
    pub(super) cpu_ms: f64,
    /// Peak resident memory since the last [`forget_peak`], MB.
    pub(super) peak_mb: f64,
}

/// What the process used so far.
pub(super) fn of(pid: u32) -> Usage {
    Usage { cpu_ms: cpu_ms(pid), peak_mb: peak_mb(pid) }
}

/// Lets the peak start again at what is resident now.
pub(super) fn forget_peak(pid: u32) {
    // Where the kernel does not allow it the peak is that of the whole life.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// User and system time, in steps of 10 ms; summed from the threads' nanoseconds while none has ended.
fn cpu_ms(pid: u32) -> f64 {
    let ticks = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| {
        let rest = stat.rsplit_once(')')?.1.to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
    });
    let coarse = ticks.unwrap_or(0.0) * 10.0;
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let fine: f64 = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e6;
    // Threads that ended are only in the coarse figure.
    if coarse - fine > 30.0 { coarse } else { fine }
}

fn peak_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Bytes of all files below a folder, MB.
pub(super) fn disk_mb(dir: &std::path::Path) -> f64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
    mb(bytes)
}

/// Bytes as MB.
pub(super) fn mb(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes of files stay far below 2^53")]
    let bytes = bytes as f64;
    bytes / 1e6
}
