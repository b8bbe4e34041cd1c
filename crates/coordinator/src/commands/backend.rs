//! Where executions are: below a directory of this machine, or on servers that many machines share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use backends::distributed::{Config, Control, Distributed};
use backends::embedded::EmbeddedStore;
use backends::store::{self, Store, View};
use protocol::{ExecutionId, TaskId};
use tokio::runtime::{Builder, Runtime};

use super::again::command;
use super::{Stop, input, say};
use crate::cli::Common;

/// After so long a user is told what is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// How long the broker gets to hear that we leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where executions are, with the threads to reach it.
pub(crate) struct Backend {
    pub(crate) runtime: Runtime,
    pub(crate) place: Place,
}

/// Where executions are.
pub(crate) enum Place {
    /// Below a directory of this machine.
    Embedded(EmbeddedStore),
    /// On servers.
    Servers(Distributed),
}

/// What a command needs of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Store and broker.
    All,
    /// The store. A broker that is away must not keep anybody from looking, or from cancelling.
    Store,
}

impl Backend {
    /// The servers if some are named, otherwise the state directory.
    pub(crate) fn open(common: &Common, needs: Needs) -> Result<Self, Stop> {
        match config(common, needs)? {
            Some(config) => Self::connect(common, config),
            None => {
                let runtime = Builder::new_current_thread().enable_all().build().context("starting")?;
                let store = EmbeddedStore::open(input::state_dir(common)?)?;
                Ok(Self { runtime, place: Place::Embedded(store) })
            }
        }
    }

    /// The servers; `None` if none are named.
    pub(crate) fn open_servers(common: &Common, needs: Needs) -> Result<Option<Self>, Stop> {
        config(common, needs)?.map(|config| Self::connect(common, config)).transpose()
    }

    /// The servers, for a command that makes no sense without them; `otherwise` says what does.
    pub(crate) fn need_servers(common: &Common, needs: Needs, otherwise: &str) -> Result<Self, Stop> {
        if common.embedded {
            return Err(Stop::Usage(format!(
                "error: this command is about servers; leave out --embedded{otherwise}"
            )));
        }
        Self::open_servers(common, needs)?.ok_or_else(|| {
            Stop::Usage(format!(
                "error: this command is about servers, and none are named; give --broker and --store, or set \
                 AMQP_URL and REDIS_URL{otherwise}"
            ))
        })
    }

    fn connect(common: &Common, config: Config) -> Result<Self, Stop> {
        // Holding an execution must not depend on how long a flow thinks.
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().context("starting")?;
        let places = format!("{} and {}", config.broker, config.store);
        let connect = async {
            let mut connecting = std::pin::pin!(Distributed::connect(config));
            tokio::select! {
                connected = &mut connecting => return connected,
                () = tokio::time::sleep(SILENCE) => {}
            }
            if !common.quiet {
                say(&format!("waiting for {places}"));
            }
            connecting.await
        };
        let servers = runtime.block_on(connect)?;
        Ok(Self { runtime, place: Place::Servers(servers) })
    }

    /// Whether there are servers.
    pub(crate) fn is_distributed(&self) -> bool {
        matches!(self.place, Place::Servers(_))
    }

    /// Where executions are remembered.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match &self.place {
            Place::Embedded(store) => Arc::new(store.clone()),
            Place::Servers(servers) => Arc::new(servers.store().clone()),
        }
    }

    /// What can be asked of the whole installation, if there are servers.
    pub(crate) fn control(&self) -> Option<Control> {
        match &self.place {
            Place::Embedded(_) => None,
            Place::Servers(servers) => Some(servers.control()),
        }
    }

    /// Waits for what is asked of it.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// One execution; if there is none of this name, a usage error.
    pub(crate) fn view(&self, id: &ExecutionId) -> Result<View, Stop> {
        self.block_on(self.store().view(id)).map_err(unknown_execution)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Place::Servers(servers) = &self.place {
            self.runtime.block_on(async {
                // What was held here can then be taken up at once, not only when the hold has run out.
                servers.store().settle().await;
                // Whether the broker has heard it or not: nothing depends on it.
                let _ = tokio::time::timeout(FAREWELL, servers.close()).await;
            });
        }
    }
}

/// Somebody else has it: nothing that the user said is wrong, and later it can be taken up.
pub(crate) fn taken(error: store::Error, common: &Common, backend: &Backend) -> Stop {
    match error {
        store::Error::Busy { id, owner } => {
            let cure = if backend.is_distributed() {
                format!(
                    "stop it by Ctrl-C where it runs, or with: {}",
                    command(common, &format!("cancel {id}"))
                )
            } else {
                "stop that process".to_owned()
            };
            let error = anyhow!("execution {id} is being run by {owner}; wait for its end, or {cure}");
            Stop::Infrastructure(error)
        }
        other => unknown_execution(other),
    }
}

/// A wrong name is the user's to mend; everything else is not.
pub(crate) fn unknown_execution(error: store::Error) -> Stop {
    match error {
        store::Error::Unknown { id } if id.as_str().parse::<TaskId>().is_ok() => Stop::Usage(format!(
            "error: {id} is a task; name its execution first, as in: coordinator dead show EXECUTION {id} \
             (`coordinator dead list` tells both)"
        )),
        store::Error::Unknown { id } => {
            Stop::Usage(format!("error: no execution is named {id}; see `coordinator executions`"))
        }
        other => other.into(),
    }
}

fn config(common: &Common, needs: Needs) -> Result<Option<Config>, Stop> {
    if common.embedded {
        return Ok(None);
    }
    let name = format!("coordinator {} on {}", std::process::id(), node_name());
    let config = common.servers.config(&name);
    let config = config.map_err(|error| Stop::Usage(format!("error: {:#}", anyhow::Error::from(error))))?;
    Ok(config.map(|config| Config { waits_for_broker: needs == Needs::All, ..config }))
}

/// This machine's name, for evidence.
pub(crate) fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
