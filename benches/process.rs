//! What processes have used so far, in seconds of processor time: `/proc/PID/stat`, proc(5).

/// One process.
#[allow(dead_code, reason = "not every bench asks for it")]
pub(crate) fn cpu(process: u32) -> f64 {
    seconds(&process.to_string(), 11)
}

/// All that this one started and that have ended, with what they had started.
#[allow(dead_code, reason = "not every bench asks for it")]
pub(crate) fn cpu_of_ended() -> f64 {
    seconds("self", 13)
}

/// The sum of a field behind the name of the process and the next one: user and system time.
fn seconds(process: &str, field: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks = fields.split(' ').skip(field).take(2);
    let ticks: u32 = ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
    let second = rustix::param::clock_ticks_per_second() as f64;
    f64::from(ticks) / second
}
