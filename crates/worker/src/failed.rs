//! Why the worker program ends otherwise than as asked, and its exit codes.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use backends::distributed::{self, OptionsError};
use otaman::driver::RulesError;

use protocol::Failure;
use protocol::error::EnvelopeError;

use crate::bundle::describe;
use crate::run::Error;
use crate::unfit::Unfit;

/// Why the worker program ends otherwise than as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(
        "no servers are named; set AMQP_URL and REDIS_URL, or give --broker and --store \
         (without servers, `coordinator execute` runs tasks by itself)"
    )]
    NoServers,
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error("OTAMAN_LOG is not a filter for logs; write for example OTAMAN_LOG=info,backends=debug")]
    LogFilter(#[source] tracing_subscriber::filter::ParseError),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("cannot print the operations")]
    Print(#[source] io::Error),
    #[error("cannot print the rules")]
    PrintRules(#[source] io::Error),
    #[error("cannot listen on {address}; choose another with --listen")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot start")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Servers(#[from] distributed::Error),
    #[error("the worker cannot go on")]
    Work(#[from] Error),
    #[error("running tasks did not stop within {0:?}; others take them when the session's lease ends")]
    Stuck(Duration),
    #[error("the servers could not be told everything within {0:?}; they give the rest to other workers")]
    Untold(Duration),
    #[error("cannot read {}", file.display())]
    Bundle {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no bundle; `coordinator bundle TASK > task.bundle` makes one of a dead task", file.display())]
    NoBundle {
        file: PathBuf,
        #[source]
        source: EnvelopeError,
    },
    /// The task of a bundle.
    #[error("the task failed: {}", describe(.0))]
    Task(Box<Failure>),
    /// Its tasks are with other workers.
    #[error(
        "{0}; its tasks go to other workers at no cost; see to the machine before starting a worker there"
    )]
    Unfit(Unfit),
    /// A second signal has come.
    #[error("ended at once; its tasks go to others when the session's lease ends")]
    AtOnce,
}

impl Failed {
    /// Says it on standard error; the process's exit code.
    pub(crate) fn report(self) -> ExitCode {
        let _ = writeln!(io::stderr(), "error: {}", backends::in_full(&self));
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::NoServers | Self::Options(_) | Self::Rules(_) => 2,
            Self::LogFilter(_) | Self::Listen { .. } => 2,
            Self::Work(Error::NoSlots | Error::MissingResources(_)) => 2,
            Self::Work(Error::SemaphoreTwice(_) | Error::Semaphore(_)) => 2,
            Self::Work(Error::SessionLost | Error::Broker { .. } | Error::Panicked(_)) => 3,
            Self::Print(_) | Self::PrintRules(_) | Self::Start(_) => 3,
            Self::Servers(_) | Self::Stuck(_) | Self::Untold(_) => 3,
            Self::Unfit(_) => 4,
            Self::Bundle { .. } | Self::NoBundle { .. } => 2,
            Self::Task(_) => 1,
            Self::AtOnce => 130,
        }
    }
}
