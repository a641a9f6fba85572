//! Setting of the memory allocator for a process that decodes large photos for days.

/// Size in bytes from which a block is returned to the system as soon as it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 8 << 20;

/// Makes glibc return every block of 8 MiB or more when it is freed, as the pixels of a large photo.
///
/// By default glibc raises this limit to 32 MiB once such a block has been freed, and keeps blocks below it for later.
/// Does nothing with other C libraries.
#[cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))] // a call into the C library
pub(crate) fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only stores a number, under the allocator's own lock.
    if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) } == 0 {
        tracing::warn!("the allocator does not take a limit for large blocks; memory may stay high after large photos");
    }
}
