//! Memory that is free.

// For what it links.
use libmimalloc_sys as _;

unsafe extern "C" {
    fn mi_collect(force: bool);
}

/// Has the program's allocator give back to the system what is free in this thread and in none. Otherwise it does so when
/// it happens to come by, which after something large may not be for hours. It takes some microseconds for each MiB.
pub fn release_memory() {
    // SAFETY: it may be called at any time on any thread, also where another allocator is in use: it has nothing then.
    unsafe { mi_collect(true) };
}

// Miri knows no foreign code.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn it_may_be_called_where_another_allocator_is_in_use() {
        let kept = vec![1_u8; 100_000];
        release_memory();
        assert!(kept.iter().all(|byte| *byte == 1));
    }
}
