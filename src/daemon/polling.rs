//! The thread that polls.

use std::io;

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::blocking_threads;
use crate::nice;
use crate::poll::Poller;

/// Lets a poller run on a thread of its own until `stop`; `token` goes when it has ended.
///
/// Most visits send a request, get "not modified" and plan the next one, which is too little to be worth dealing out: with
/// one thread a batch of answers is one wake-up, and no task goes from one processor's cache to another's. What takes a
/// processor for a while (reading, packing, looking up) goes to this runtime's blocking threads in any case.
///
/// # Errors
/// If the system has no thread for it.
pub(super) fn start(
    poller: Poller,
    stop: CancellationToken,
    token: TaskTrackerToken,
) -> io::Result<()> {
    let behind = nice::behind(2);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(behind.clone())
        .max_blocking_threads(blocking_threads())
        .build()?;
    std::thread::Builder::new()
        .name("poll".to_owned())
        .spawn(move || {
            behind();
            if let Err(error) = runtime.block_on(poller.run(stop.clone())) {
                tracing::error!(%error, "polling cannot begin");
                stop.cancel();
            }
            // A file that cannot be read to its end must not keep everybody waiting.
            runtime.shutdown_background();
            drop(token);
        })?;
    Ok(())
}
