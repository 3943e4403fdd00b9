//! Ctrl-C, and `kill`, while files are written: the file at hand is finished, no other is begun.
//!
//! So no temporary file stays behind. Every file is old or new in any case: a second Ctrl-C ends
//! the process at once, and so does `kill -9`.
//!
//! Not here: other systems than Unix, where Ctrl-C ends the process at once.

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    /// The signal that came, or 0.
    static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

    pub fn defer() -> std::io::Result<()> {
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM] {
            // They are called in this order: the first signal finds the flag not set yet.
            flag::register_conditional_default(number, Arc::clone(&again))?;
            flag::register(number, Arc::clone(&again))?;
            let value = usize::try_from(number).expect("signals count from 1");
            flag::register_usize(number, Arc::clone(&signal), value)?;
        }
        SIGNAL.get_or_init(|| signal);
        Ok(())
    }

    pub fn came() -> bool {
        number() != 0
    }

    pub fn end_if_it_came() {
        let number = number();
        if let Ok(number @ 1..) = i32::try_from(number) {
            // As if it had not been caught: a shell that waits sees which signal it was.
            let _ = low_level::emulate_default_handler(number);
        }
    }

    fn number() -> usize {
        SIGNAL.get().map_or(0, |it| it.load(Ordering::Relaxed))
    }
}

#[cfg(unix)]
pub use unix::{came, defer, end_if_it_came};

#[cfg(not(unix))]
mod other {
    pub fn defer() -> std::io::Result<()> {
        Ok(())
    }

    pub fn came() -> bool {
        false
    }

    pub fn end_if_it_came() {}
}

#[cfg(not(unix))]
pub use other::{came, defer, end_if_it_came};
