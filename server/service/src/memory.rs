//! Memory allocator setting of a service that decodes large photos.

/// Minimum size in bytes of blocks that are returned to the system when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 8 << 20;

/// Makes glibc return every block of 8 MiB or more to the system when it is freed, such as the pixels of a large photo.
///
/// By default glibc raises this limit to 32 MiB after such a block was freed, and keeps smaller blocks. Has no effect with
/// other C libraries.
#[cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))] // a call into the C library
pub(crate) fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only stores a number, under the allocator's own lock.
    if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) } == 0 {
        tracing::warn!("the allocator refuses a limit for large blocks; memory may stay high after large photos");
    }
}

/// Growth of the process's memory in bytes after which free memory is returned.
const GROWTH: u64 = 16 << 20;

/// Time between two looks at the process's memory.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);

/// Returns free memory to the system whenever the process has grown, until the future is dropped.
///
/// glibc keeps free memory in one pool per thread. After many photos at once, much of it would stay unused.
pub(crate) async fn return_free_memory() {
    let mut least = resident();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some((known, now)) = least.zip(resident()) else {
            return;
        };
        if now > known + GROWTH {
            let _ = tokio::task::spawn_blocking(trim).await;
            least = resident();
        } else {
            least = Some(known.min(now));
        }
    }
}

/// Resident memory of this process in bytes; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split(' ').nth(1)?.parse::<u64>().ok()? << 12)
}

#[cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))] // a call into the C library
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim only returns free pages, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
