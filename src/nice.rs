//! Who goes first where processors are scarce: whoever answers from memory, then whoever reads and renders for those who
//! wait, then whoever polls. A document that is ready must not wait until a dozen others were parsed or rendered, and a page
//! must not wait for articles that nobody has asked for yet.

/// How much nicer a thread is than those one step before it: three times as much of a processor for them where both want it.
#[cfg(target_os = "linux")]
const STEP: i32 = 5;

/// What a thread that can wait does first: it stands so many steps behind the thread that calls this now. On Linux a thread
/// has a niceness of its own, and those that it starts begin with it; elsewhere the whole process would have it, so there it
/// does nothing.
pub fn behind(steps: u8) -> impl Fn() + Clone + Send + Sync + 'static {
    #[cfg(target_os = "linux")]
    let own = rustix::process::getpriority_process(None);
    move || {
        #[cfg(target_os = "linux")]
        if let Ok(own) = own {
            let niceness = (own + STEP * i32::from(steps)).min(19);
            // Whoever forbids it, as a system call filter may, has readers wait a little longer.
            let _ = rustix::process::setpriority_process(None, niceness);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = steps;
    }
}
