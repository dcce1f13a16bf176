//! Takes a lock of the lab.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock; a panic elsewhere leaves plain data that is still whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
