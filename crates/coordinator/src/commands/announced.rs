//! Operations that live workers announce.

use std::collections::BTreeMap;

use backends::distributed::Worker;
use otaman::Info;
use protocol::OperationName;
use semver::Version;

use super::{Stop, say};

/// Operations that live workers announce.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    operations: BTreeMap<(OperationName, Version), Announcement>,
    /// Operations that two workers announce with different arguments, and which workers; for people.
    disagreements: Vec<String>,
    /// How many workers are alive, whatever they announce.
    pub(crate) workers: usize,
}

#[derive(Debug)]
struct Announcement {
    info: Info,
    by: Vec<String>,
}

impl Announced {
    /// Of descriptions with the workers that made them.
    pub(crate) fn of(descriptions: &[(Vec<u8>, Vec<Worker>)]) -> Self {
        let mut announced = Self::default();
        for (description, workers) in descriptions {
            let names: Vec<String> = workers.iter().map(Worker::name).collect();
            let infos: Vec<Info> = match serde_json::from_slice(description) {
                Ok(infos) => infos,
                Err(error) => {
                    // They may be of a later release.
                    tracing::warn!(workers = ?names, %error, "left aside operations that cannot be read");
                    continue;
                }
            };
            for info in infos {
                announced.add(info, &names);
            }
        }
        announced
    }

    fn add(&mut self, info: Info, by: &[String]) {
        let key = (info.name.clone(), info.version.clone());
        match self.operations.get_mut(&key) {
            None => {
                self.operations.insert(key, Announcement { info, by: by.to_vec() });
            }
            Some(known) if known.info.arguments == info.arguments => known.by.extend_from_slice(by),
            Some(known) => {
                let (one, other) = (first(&known.by), first(by));
                self.disagreements.push(format!(
                    "two live workers announce operation {} {} with different arguments: {one} and {other}; \
                     stop one of them, or give its operation another version",
                    info.name, info.version
                ));
            }
        }
    }

    /// Refuses an installation in which it cannot be told which arguments an operation takes.
    ///
    /// # Errors
    /// If two workers announce one operation with different arguments.
    pub(crate) fn agreed(self) -> Result<Self, Stop> {
        match self.disagreements.first() {
            Some(disagreement) => Err(Stop::Usage(format!("error: {disagreement}"))),
            None => Ok(self),
        }
    }

    /// What keeps it from being agreed, for somebody who only looks.
    pub(crate) fn say_disagreements(&self) {
        self.disagreements.iter().for_each(|disagreement| say(&format!("warning: {disagreement}")));
    }

    /// What is known of each.
    pub(crate) fn infos(&self) -> impl Iterator<Item = &Info> {
        self.operations.values().map(|announcement| &announcement.info)
    }

    /// How many workers announce an operation.
    pub(crate) fn workers_of(&self, info: &Info) -> usize {
        let key = (info.name.clone(), info.version.clone());
        self.operations.get(&key).map_or(0, |announcement| announcement.by.len())
    }

    /// Says which operations of this program workers take with other arguments.
    pub(crate) fn compare<'i>(&self, linked: impl Iterator<Item = &'i Info>) {
        for info in linked {
            let key = (info.name.clone(), info.version.clone());
            if let Some(announcement) = self.operations.get(&key)
                && announcement.info.arguments != info.arguments
            {
                say(&format!(
                    "warning: operation {} {} has other arguments on {} than in this program; update one of them, \
                     or give it another version",
                    info.name,
                    info.version,
                    first(&announcement.by)
                ));
            }
        }
    }
}

fn first(names: &[String]) -> &str {
    names.first().map_or("a worker", String::as_str)
}

#[cfg(test)]
pub(crate) mod testing {
    use std::time::Duration;

    use protocol::{Presence, Session, SessionId};

    use super::Worker;

    /// A live worker for these worker types with two slots.
    pub(crate) fn worker(node: &str, pid: u32, worker_types: &[&str]) -> Worker {
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::from_u128(pid.into())),
            node: node.to_owned(),
            pid,
            worker_types: worker_types.iter().map(|name| name.parse().unwrap()).collect(),
            concurrency: 2,
            lease: Duration::from_secs(30),
        };
        let presence = Presence {
            session,
            version: "0.1.0".to_owned(),
            started_at_us: 0,
            is_draining: false,
            running: Vec::new(),
            ended: 0,
            operations: None,
            semaphores: Vec::new(),
            key: None,
            drains_in: None,
        };
        Worker { presence, expires_in: Duration::from_secs(29), is_stranger: false }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::testing::worker;
    use super::*;

    fn description(arguments: Json) -> Vec<u8> {
        let info = json!([{"kind": "operation", "name": "resize", "version": "1.0.0", "spec_versions": "*",
            "description": "", "tags": [], "worker_type": "cpu", "requires": [], "arguments": arguments}]);
        info.to_string().into_bytes()
    }

    fn schema(argument: &str) -> Json {
        json!({"type": "object", "properties": {argument: {"type": "integer"}}})
    }

    #[test]
    fn equal_announcements_are_counted_together() {
        let same = json!({"properties": {"a": {"type": "integer"}}, "type": "object"});
        let descriptions = [
            (description(schema("a")), vec![worker("one", 1, &["cpu"]), worker("one", 2, &["cpu"])]),
            (description(same), vec![worker("two", 3, &["cpu"])]),
        ];
        let announced = Announced::of(&descriptions).agreed().unwrap();
        let infos: Vec<_> = announced.infos().collect();
        assert_eq!(infos.len(), 1);
        assert_eq!(announced.workers_of(infos[0]), 3);
    }

    #[test]
    fn different_arguments_under_one_version_are_refused_naming_both_workers() {
        let descriptions = [
            (description(schema("a")), vec![worker("one", 1, &["cpu"])]),
            (description(schema("b")), vec![worker("two", 22, &["cpu"])]),
        ];
        let Err(Stop::Usage(text)) = Announced::of(&descriptions).agreed() else { panic!("it was accepted") };
        for part in ["resize 1.0.0", "worker 1 on one", "worker 22 on two"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn who_only_looks_sees_what_workers_announce_differently() {
        let descriptions = [
            (description(schema("a")), vec![worker("one", 1, &["cpu"])]),
            (description(schema("b")), vec![worker("two", 22, &["cpu"])]),
        ];
        let announced = Announced::of(&descriptions);
        assert_eq!(announced.infos().count(), 1);
        assert_eq!(announced.disagreements.len(), 1, "{:?}", announced.disagreements);
    }

    #[test]
    fn what_cannot_be_read_is_left_aside() {
        let descriptions =
            [(b"[{}]".to_vec(), vec![worker("one", 1, &[])]), (description(schema("a")), Vec::new())];
        assert_eq!(Announced::of(&descriptions).infos().count(), 1);
    }
}
