//! Where Redis is: one server, a master that sentinels name, or a cluster.

use std::fmt;
use std::str::FromStr;

/// The port of a server unless another one is given.
const SERVER_PORT: u16 = 6379;
/// The port of a sentinel unless another one is given.
const SENTINEL_PORT: u16 = 26_379;

/// Where Redis is and how to log in. Its `Debug` and `Display` hide the password.
///
/// - `redis://[user:password@]host[:port][/database]`
/// - `redis+sentinel://[user:password@]host[:port],…/master[/database]`
/// - `redis+cluster://[user:password@]host[:port],…`
///
/// and with `rediss` in place of `redis` over TLS. Special characters of user and password are
/// written as in any URL, `%2F` for a slash. A sentinel that asks for a password gets the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) kind: Kind,
    pub(super) hosts: Vec<Host>,
    pub(super) has_tls: bool,
    pub(super) login: Option<Login>,
    pub(super) database: u16,
}

/// What is found at the hosts of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    /// Sentinels; they know where the master of this name is.
    Sentinel {
        master: String,
    },
    Cluster,
}

/// One server's name and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// A user, unless it is the default one, and the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

/// What is wrong with the text of an address. The text itself is not repeated: it may hold a
/// password at any place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing at all, as a variable that was cleared leaves it.
    #[error("the Redis address is empty; to do without servers, unset REDIS_URL and leave out --store")]
    Empty,
    /// The beginning is none that we know.
    #[error(
        "the Redis address must begin with redis://, rediss://, redis+sentinel:// or redis+cluster:// \
         (or rediss+… for TLS)"
    )]
    Scheme,
    /// No host is named, or one has no name.
    #[error("the Redis address lacks the name of host {number}; write redis://host:port")]
    Host {
        /// Which one, counted from 1.
        number: usize,
    },
    /// A port is no number.
    #[error(
        "the port of host {number} in the Redis address is not a number from 1 to 65535; a password goes \
         before an @, with its special characters written as %XX"
    )]
    Port {
        /// Which host, counted from 1.
        number: usize,
    },
    /// Several hosts without sentinels or a cluster.
    #[error("the Redis address names several hosts; write redis+sentinel:// or redis+cluster:// for those")]
    SeveralHosts,
    /// A user or a password alone.
    #[error(
        "the Redis address has something before the @ that is not user:password; write :password@ for a \
         password alone"
    )]
    Login,
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are not UTF-8.
    #[error("user or password in the Redis address has a % that is not followed by two hexadecimal digits")]
    Escape,
    /// The database is no number.
    #[error("the database at the end of the Redis address is not a number")]
    Database,
    /// A database in a cluster.
    #[error("a Redis cluster has only database 0; leave it out of the address")]
    ClusterDatabase,
    /// Sentinels without a name to ask them for.
    #[error("the Redis address lacks the master's name; write redis+sentinel://host:port,…/name")]
    Master,
    /// Options behind a `?` or `#`.
    #[error("the Redis address has options behind a ? or #, and none is known")]
    Options,
}

impl Address {
    /// Without credentials: what errors and logs may show.
    pub(super) fn place(&self) -> String {
        Self { login: None, ..self.clone() }.to_string()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.trim().is_empty() {
            return Err(AddressError::Empty);
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let (tls, kind) = scheme.split_once('+').unwrap_or((scheme, "server"));
        let has_tls = match tls {
            "redis" => false,
            "rediss" => true,
            _ => return Err(AddressError::Scheme),
        };
        // The last one: a password may hold further ones although it should not.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login.parse()?), rest),
            None => (None, rest),
        };
        if rest.contains(['?', '#']) {
            return Err(AddressError::Options);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        let (kind, port, database) = match kind {
            "server" => (Kind::Server, SERVER_PORT, path),
            "cluster" if path.is_empty() || path == "0" => (Kind::Cluster, SERVER_PORT, ""),
            "cluster" => return Err(AddressError::ClusterDatabase),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(AddressError::Master);
                }
                (Kind::Sentinel { master: master.to_owned() }, SENTINEL_PORT, database)
            }
            _ => return Err(AddressError::Scheme),
        };
        let hosts = hosts.split(',').enumerate().map(|(at, host)| parse_host(host, at + 1, port));
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        if kind == Kind::Server && hosts.len() > 1 {
            return Err(AddressError::SeveralHosts);
        }
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| AddressError::Database)?,
        };
        Ok(Self { kind, hosts, has_tls, login, database })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Server => "",
            Kind::Sentinel { .. } => "+sentinel",
            Kind::Cluster => "+cluster",
        };
        write!(f, "redis{}{kind}://", if self.has_tls { "s" } else { "" })?;
        if let Some(login) = &self.login {
            write!(f, "{}:***@", login.user.as_deref().unwrap_or_default())?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
        }
        if let Kind::Sentinel { master } = &self.kind {
            write!(f, "/{master}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl FromStr for Login {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (user, password) = text.split_once(':').ok_or(AddressError::Login)?;
        if password.is_empty() {
            return Err(AddressError::Login);
        }
        let user = Some(unescape(user)?).filter(|user| !user.is_empty());
        Ok(Self { user, password: unescape(password)? })
    }
}

fn parse_host(text: &str, number: usize, default_port: u16) -> Result<Host, AddressError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or(AddressError::Host { number })?;
            (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or_default()) })
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || "[]".contains(c)) {
        return Err(AddressError::Host { number });
    }
    let port = match port.map(str::parse) {
        None => default_port,
        Some(Ok(0) | Err(_)) => return Err(AddressError::Port { number }),
        Some(Ok(port)) => port,
    };
    Ok(Host { name: name.to_owned(), port })
}

fn unescape(text: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(AddressError::Escape)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(AddressError::Escape);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Escape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn parse(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_is_read() {
        let server = parse("redis://localhost");
        assert_eq!(server.hosts, [Host { name: "localhost".into(), port: 6379 }]);
        assert_eq!((server.kind, server.has_tls, server.database), (Kind::Server, false, 0));
        let sentinel = parse("rediss+sentinel://a,b:7,[::1]:8/main/3");
        assert_eq!(sentinel.kind, Kind::Sentinel { master: "main".into() });
        assert_eq!(sentinel.hosts.iter().map(|host| host.port).collect::<Vec<_>>(), [26_379, 7, 8]);
        assert_eq!(sentinel.hosts[2].name, "::1");
        assert_eq!((sentinel.has_tls, sentinel.database), (true, 3));
        assert_eq!(parse("redis+cluster://a:1,b:2/").kind, Kind::Cluster);
    }

    #[test]
    fn user_and_password_are_unescaped() {
        let login = parse("redis://me:a%2Fb@c@host:1/2").login.unwrap();
        assert_eq!((login.user.as_deref(), login.password.as_str()), (Some("me"), "a/b@c"));
        assert_eq!(parse("redis://:pw@host").login.unwrap().user, None);
    }

    #[test]
    fn shown_addresses_lack_the_password_and_are_otherwise_the_same() {
        let text = "rediss+sentinel://me:hunter2@a:1,[::1]:2/main/3";
        let address = parse(text);
        assert_eq!(address.to_string(), text.replace("hunter2", "***"));
        assert_eq!(format!("{address:?}"), format!("Address({address})"));
        assert!(!format!("{:?}", address.login).contains("hunter2"));
        assert_eq!(address.place(), text.replace("me:hunter2@", ""));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(rediss?([+](sentinel|cluster))?://)?[a-c0-9:@/%,\\[\\]?]{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.place().parse::<Address>(), Ok(Address { login: None, ..address }));
            }
        }
    }

    #[test]
    fn wrong_addresses_are_refused_by_what_is_wrong() {
        for (text, expected) in [
            ("localhost:6379", AddressError::Scheme),
            ("", AddressError::Empty),
            ("amqp://localhost", AddressError::Scheme),
            ("redis+ring://a", AddressError::Scheme),
            ("redis://", AddressError::Host { number: 1 }),
            ("redis://:6379", AddressError::Host { number: 1 }),
            ("redis+cluster://a,,b", AddressError::Host { number: 2 }),
            ("redis://[::1", AddressError::Host { number: 1 }),
            ("redis://[[]", AddressError::Host { number: 1 }),
            ("redis://a]b", AddressError::Host { number: 1 }),
            ("redis://user:hunter2", AddressError::Port { number: 1 }),
            ("redis://host:0", AddressError::Port { number: 1 }),
            ("redis://[::1]6379", AddressError::Port { number: 1 }),
            ("redis://a,b", AddressError::SeveralHosts),
            ("redis://hunter2@host", AddressError::Login),
            ("redis://user:@host", AddressError::Login),
            ("redis://user:%4@host", AddressError::Escape),
            ("redis://user:%zz@host", AddressError::Escape),
            ("redis://user:%+4@host", AddressError::Escape),
            ("redis://user:%ff@host", AddressError::Escape),
            ("redis://host/main", AddressError::Database),
            ("redis+cluster://host/1", AddressError::ClusterDatabase),
            ("redis+sentinel://host", AddressError::Master),
            ("redis://host?protocol=resp3", AddressError::Options),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected.clone()), "{text}");
            assert!(!expected.to_string().contains("hunter2"));
        }
    }
}
