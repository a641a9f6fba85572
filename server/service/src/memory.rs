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
