//! The scripts of the store.

use crate::redis::Script;

/// One of each. What they promise stands at the top of each file.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) take: Script,
    pub(super) append: Script,
    pub(super) update: Script,
    pub(super) show: Script,
    pub(super) restore: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    pub(super) remove: Script,
    pub(super) look: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            create: Script::new("create", include_str!("scripts/create.lua")),
            take: Script::new("take", include_str!("scripts/take.lua")),
            append: Script::new("append", include_str!("scripts/append.lua")),
            update: Script::new("update", include_str!("scripts/update.lua")),
            show: Script::new("show", include_str!("scripts/show.lua")),
            restore: Script::new("restore", include_str!("scripts/restore.lua")),
            renew: Script::new("renew", include_str!("scripts/renew.lua")),
            release: Script::new("release", include_str!("scripts/release.lua")),
            remove: Script::new("remove", include_str!("scripts/remove.lua")),
            look: Script::new("look", include_str!("scripts/look.lua")),
        }
    }
}
