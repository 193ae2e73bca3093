//! Panics of libraries over bytes from outside: caught, and without a word on stderr, which might quote a mail.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; `None` if it panics.
pub fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f)).ok();
    QUIET.set(before);
    result
}

/// Makes panics that are caught here silent, and has the others logged with their place but without their text.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        if !QUIET.get() {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a fault of mailbell's (panic)");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_the_thread_goes_on() {
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| -> u8 { panic!("quoted mail") }), None);
        assert!(!QUIET.get());
    }
}
