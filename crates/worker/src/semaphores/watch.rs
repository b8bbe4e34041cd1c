//! Hearing of what happens to files: the kernel tells when one is written, removed, or closed, which it
//! does for a process that was killed, too.

#[cfg(target_os = "linux")]
pub(super) use linux::Watch;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Watch;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;
    use tokio::io::unix::AsyncFd;

    /// Files that are watched.
    #[derive(Debug)]
    pub(in super::super) struct Watch {
        /// Absent if the user has as many of these as the system allows.
        inotify: Option<AsyncFd<OwnedFd>>,
        watched: Vec<PathBuf>,
        descriptors: Vec<i32>,
    }

    impl Watch {
        /// Watches nothing yet.
        pub(in super::super) fn new() -> Self {
            let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
            #[expect(
                deprecated,
                reason = "its successor is unsafe; an owned descriptor is all that it asks for"
            )]
            let made = made.map_err(std::io::Error::from).and_then(AsyncFd::new);
            if let Err(error) = &made {
                tracing::debug!(%error, "files of semaphores cannot be watched; they are looked at more often");
            }
            Self { inotify: made.ok(), watched: Vec::new(), descriptors: Vec::new() }
        }

        /// Whether changes are heard of.
        pub(in super::super) fn hears(&self) -> bool {
            self.inotify.is_some()
        }

        /// Watches these files and no others; whether that is a change.
        pub(in super::super) fn only(&mut self, files: Vec<PathBuf>) -> bool {
            if files == self.watched {
                return false;
            }
            self.watched = files;
            let Some(inotify) = &self.inotify else { return true };
            for descriptor in self.descriptors.drain(..) {
                // It ends by itself when the file is removed.
                let _ = inotify::remove_watch(inotify, descriptor);
            }
            let flags = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
            for file in &self.watched {
                // One that is gone will be seen to be gone.
                self.descriptors.extend(inotify::add_watch(inotify, file, flags));
            }
            true
        }

        /// Waits until something has happened to one of them.
        pub(in super::super) async fn changed(&self) {
            let Some(inotify) = &self.inotify else { return std::future::pending().await };
            loop {
                let Ok(mut ready) = inotify.readable().await else { return std::future::pending().await };
                let mut events = [0; 4096];
                match rustix::io::read(inotify, &mut events) {
                    Ok(_) => return,
                    Err(Errno::WOULDBLOCK) => ready.clear_ready(),
                    Err(_) => return std::future::pending().await,
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::path::PathBuf;

    /// Files that would be watched if the system could tell.
    #[derive(Debug, Default)]
    pub(in super::super) struct Watch(Vec<PathBuf>);

    impl Watch {
        pub(in super::super) fn new() -> Self {
            Self::default()
        }

        pub(in super::super) fn hears(&self) -> bool {
            false
        }

        pub(in super::super) fn only(&mut self, files: Vec<PathBuf>) -> bool {
            let is_change = files != self.0;
            self.0 = files;
            is_change
        }

        pub(in super::super) async fn changed(&self) {
            std::future::pending().await
        }
    }
}
