//! Why the worker program ends otherwise than as asked, and its exit codes.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use backends::distributed::{self, OptionsError};

use crate::run::Error;

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
    #[error("cannot print the operations")]
    Print(#[source] io::Error),
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
            Self::NoServers | Self::Options(_) | Self::LogFilter(_) | Self::Listen { .. } => 2,
            Self::Work(Error::NoSlots | Error::MissingResources(_)) => 2,
            Self::Work(Error::SemaphoreTwice(_) | Error::Semaphore(_)) => 2,
            Self::Work(Error::SessionLost | Error::Broker { .. }) => 3,
            Self::Print(_) | Self::Start(_) | Self::Servers(_) | Self::Stuck(_) | Self::Untold(_) => 3,
            Self::AtOnce => 130,
        }
    }
}
