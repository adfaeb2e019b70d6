//! Readers come first: a document that is ready must not wait until a dozen others were parsed or rendered.

/// How much nicer all other threads are than those that answer.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// What a thread that polls, reads or renders does first: it stands behind the thread that calls this now. On Linux a thread
/// has a niceness of its own, and those that it starts begin with it; elsewhere the whole process would have it, so there it
/// does nothing.
pub fn behind_readers() -> impl Fn() + Clone + Send + Sync + 'static {
    #[cfg(target_os = "linux")]
    let own = rustix::process::getpriority_process(None);
    move || {
        #[cfg(target_os = "linux")]
        if let Ok(own) = own {
            // Whoever forbids it, as a system call filter may, has readers wait a little longer.
            let _ = rustix::process::setpriority_process(None, (own + NICER).min(19));
        }
    }
}
