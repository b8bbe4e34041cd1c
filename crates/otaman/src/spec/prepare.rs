//! Making tasks and flows of targets: all that does not depend on variables is done once.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::{Isolation, OperationName, RetryPolicy, SemaphoreName, Task, WorkerType};
use semver::Version;
use serde_json::{Map, Value as Json};

use crate::entry::Kind;
use crate::error::Error;
use crate::running::Node;
use crate::spec::catalog::{Catalog, Code, Entry};
use crate::spec::checker::Complaint;
use crate::spec::fill::{self, Filling};
use crate::spec::guide::Guide;
use crate::spec::header::Header;
use crate::spec::mold::{Mold, TextMold};
use crate::spec::options::TaskOptions;
use crate::spec::path::Shown;
use crate::target::{Prepared, Resolve, Target};

/// A call of an operation with holes.
struct PreparedTask {
    operation: OperationName,
    version: Version,
    worker_type: WorkerType,
    runtime_limit: Option<std::time::Duration>,
    retry: Option<Box<RetryPolicy>>,
    isolation: Isolation,
    memory_limit: Option<u64>,
    semaphores: Vec<SemaphoreName>,
    key: Option<TextMold>,
    arguments: Mold,
}

impl PreparedTask {
    fn new(
        entry: &Entry,
        options: &TaskOptions,
        arguments: &Map<String, Json>,
        filling: Filling,
    ) -> Result<Self, Error> {
        let info = &entry.info;
        let guide = match filling {
            Filling::Placeholders => entry.checker().guide(),
            Filling::Verbatim => Guide::none(),
        };
        Ok(Self {
            operation: info.name.clone(),
            version: info.version.clone(),
            worker_type: options.worker_type.clone().unwrap_or_else(|| info.worker_type.clone()),
            runtime_limit: options.runtime_limit.or(info.runtime_limit),
            retry: options.retry(info.retry.as_ref()).map(Box::new),
            isolation: options.isolation.unwrap_or(info.isolation),
            memory_limit: options.memory_limit.or(info.memory_limit),
            semaphores: options.semaphores.clone().unwrap_or_else(|| info.semaphores.clone()),
            key: options.key.as_deref().map(|key| TextMold::new(key, filling)),
            arguments: Mold::new(arguments, &guide, filling)?,
        })
    }

    fn task(&self, variables: &[(&str, &Json)]) -> Result<Task, Error> {
        let arguments = self.arguments.cast(variables)?;
        let mut task = Task::new(self.operation.clone(), self.version.clone(), arguments);
        task.worker_type = self.worker_type.clone();
        task.runtime_limit = self.runtime_limit;
        task.retry = self.retry.clone();
        task.isolation = self.isolation;
        task.memory_limit = self.memory_limit;
        task.semaphores = self.semaphores.clone();
        match &self.key {
            Some(key) => Ok(task.with_key(&key.cast(variables)?)),
            None => Ok(task),
        }
    }
}

/// A target, read.
pub(crate) struct Call<'c> {
    pub(crate) entry: &'c Arc<Entry>,
    options: TaskOptions,
    arguments: Map<String, Json>,
}

impl Catalog {
    /// The entry, the options and the arguments of a target.
    pub(crate) fn read(&self, target: &Target) -> Result<Call<'_>, Error> {
        let refuse = |message: String| Error::permanent(format!("the target cannot be resolved: {message}"));
        let Json::Object(object) = target.spec() else {
            return Err(refuse("it is not an object with \"@type\"".into()));
        };
        let (header, findings) = Header::read(object, &[]);
        if let Some(finding) = findings.first() {
            return Err(refuse(format!("{}: {}", Shown(&finding.place.path), finding.message)));
        }
        let name = header.name.as_deref().ok_or_else(|| refuse("it has no \"@type\"".into()))?;
        let entry =
            self.select(name, header.version.as_ref()).map_err(|unselected| refuse(unselected.message))?;
        let options = TaskOptions::read(header.options, &self.options).map_err(|complaints| {
            let shown = |complaint: &Complaint| format!("{}: {}", Shown(&complaint.path), complaint.message);
            refuse(complaints.first().map(shown).unwrap_or_default())
        })?;
        let arguments = object.iter().filter(|(key, _)| !key.starts_with('@'));
        let mut arguments: Map<String, Json> =
            arguments.map(|(key, value)| (key.clone(), value.clone())).collect();
        if let Some(version) = &header.version {
            arguments.values_mut().for_each(|value| fill::inherit(value, version));
        }
        Ok(Call { entry, options, arguments })
    }

    pub(crate) fn prepared(&self, target: &Target, filling: Filling) -> Result<Prepared<'static>, Error> {
        let Call { entry, options, arguments } = self.read(target)?;
        if entry.info.kind == Kind::Operation {
            let prepared = PreparedTask::new(entry, &options, &arguments, filling)?;
            return Ok(Box::new(move |variables| Ok(Node::Task(Arc::new(prepared.task(variables)?)))));
        }
        let Code::Flow(flow) = &entry.code else {
            return Err(Error::permanent(format!("flow {} has no code here", entry.info.name)));
        };
        let flow = flow.clone();
        let arguments = fill::Template::new(arguments, entry, self, filling);
        Ok(Box::new(move |variables| Ok(Node::Flow(flow.call(arguments.fill(variables)?)?))))
    }
}

impl Resolve for Catalog {
    fn resolve(&self, target: &Target, variables: &[(&str, &Json)]) -> Result<Node, Error> {
        self.prepared(target, Filling::with(variables))?(variables)
    }

    fn prepare<'a>(&'a self, target: &'a Target) -> Result<Prepared<'a>, Error> {
        self.prepared(target, Filling::Placeholders)
    }

    fn standard_input(&self) -> Option<PathBuf> {
        self.standard_input.clone()
    }
}
