//! Where RabbitMQ is and as whom to come, from a URL. The password never shows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};

/// Noticing a frozen broker takes two to three of these.
const HEARTBEAT_SECONDS: u16 = 10;

/// Largest frame, in bytes. The client keeps 64 times as much in buffers for each connection.
const FRAME_MAX: u32 = 32 * 1024;

/// Where RabbitMQ is and as whom to come: `amqp://user:password@host:5672/vhost?heartbeat=10`, or
/// `amqps` for TLS.
///
/// All but the host may be left out; guest, 5672 (TLS: 5671) and the virtual host `/` are the
/// defaults. Special characters in the user, the password and the virtual host are written as `%2F`.
/// Settings: `heartbeat` in seconds, `channel_max`, `frame_max`, `auth_mechanism` (`plain`, or
/// `external` for client certificates).
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Arc<AMQPUri>,
}

/// What is wrong with a URL of RabbitMQ. It quotes nothing of it: a password with special characters
/// that are not escaped may be anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing at all, as a variable that was cleared leaves it.
    #[error("the URL of RabbitMQ is empty; to do without servers, unset AMQP_URL and leave out --broker")]
    Empty,
    /// Not `amqp://` or `amqps://`.
    #[error("the URL of RabbitMQ must begin with amqp:// or amqps://")]
    Scheme,
    /// No host.
    #[error("the URL of RabbitMQ names no host: amqp://user:password@host:5672/vhost")]
    Host,
    /// Not a port.
    #[error(
        "the port in the URL of RabbitMQ is not a number from 1 to 65535 (special characters of a \
         password are written as %2F for /, %40 for @, %3A for :)"
    )]
    Port,
    /// A percent sign that is not followed by two hexadecimal digits, or not UTF-8.
    #[error("the {part} in the URL of RabbitMQ is not percent-encoded UTF-8: write % itself as %25")]
    Encoding {
        /// Where in the URL.
        part: &'static str,
    },
    /// An `@`, `/` or `#` out of place.
    #[error(
        "the URL of RabbitMQ has an @, / or # out of place: in a user name, a password or a virtual host \
         they are written as %40, %2F and %23"
    )]
    Misplaced,
    /// A setting that we do not know.
    #[error(
        "the URL of RabbitMQ has an unknown setting after its question mark: known are heartbeat, \
         channel_max, frame_max and auth_mechanism"
    )]
    Setting,
    /// A setting's value.
    #[error("{name} in the URL of RabbitMQ must be {wanted}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What it may be.
        wanted: &'static str,
    },
}

impl Address {
    pub(super) fn uri(&self) -> &AMQPUri {
        &self.uri
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Err(AddressError::Empty);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = match scheme {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            _ => return Err(AddressError::Scheme),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        if vhost.contains(['@', '/']) || query.contains('@') || text.contains('#') {
            return Err(AddressError::Misplaced);
        }
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains('@') {
            return Err(AddressError::Misplaced);
        }
        let default_port = match scheme {
            AMQPScheme::AMQP => 5672,
            AMQPScheme::AMQPS => 5671,
        };
        let (host, port) = place_of(place, default_port)?;
        // By the letter an empty path is a virtual host without a name, which nobody has.
        let vhost = if vhost.is_empty() { "/".to_owned() } else { decoded(vhost, "virtual host")? };
        let authority = AMQPAuthority { userinfo: user_of(user)?, host, port };
        let uri = AMQPUri { scheme, authority, vhost, query: settings(query)? };
        Ok(Self { uri: Arc::new(uri) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &*self.uri;
        let scheme = match scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let user = &authority.userinfo.username;
        write!(formatter, "{scheme}://{user}@")?;
        if authority.host.contains(':') {
            write!(formatter, "[{}]", authority.host)?;
        } else {
            formatter.write_str(&authority.host)?;
        }
        write!(formatter, ":{}/{}", authority.port, vhost.replace('/', "%2f"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

fn user_of(text: &str) -> Result<AMQPUserInfo, AddressError> {
    if text.is_empty() {
        return Ok(AMQPUserInfo::default());
    }
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(AMQPUserInfo { username: decoded(username, "user name")?, password: decoded(password, "password")? })
}

fn place_of(text: &str, default_port: u16) -> Result<(String, u16), AddressError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Host)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(AddressError::Port),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(AddressError::Host);
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?,
        None => default_port,
    };
    Ok((host.to_owned(), port))
}

fn settings(query: &str) -> Result<AMQPQueryString, AddressError> {
    let mut settings = AMQPQueryString {
        heartbeat: Some(HEARTBEAT_SECONDS),
        frame_max: Some(FRAME_MAX),
        ..AMQPQueryString::default()
    };
    for setting in query.split('&').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match name {
            "heartbeat" => {
                let heartbeat = value.parse().ok().filter(|seconds| (1..=600).contains(seconds));
                let wanted =
                    "a number of seconds from 1 to 600: without heartbeats a dead broker goes unnoticed";
                settings.heartbeat =
                    Some(heartbeat.ok_or(AddressError::Value { name: "heartbeat", wanted })?);
            }
            "channel_max" => {
                let wanted = "a number from 8 to 65535";
                let most = value.parse().ok().filter(|most| *most >= 8);
                settings.channel_max = Some(most.ok_or(AddressError::Value { name: "channel_max", wanted })?);
            }
            "frame_max" => {
                let wanted = "a number of bytes from 8192 to 1048576";
                let most = value.parse().ok().filter(|most| (8_192..=1_048_576).contains(most));
                settings.frame_max = Some(most.ok_or(AddressError::Value { name: "frame_max", wanted })?);
            }
            "auth_mechanism" => {
                settings.auth_mechanism = Some(match value.to_ascii_lowercase().as_str() {
                    "plain" => SASLMechanism::Plain,
                    "external" => SASLMechanism::External,
                    _ => {
                        let wanted = "plain or external";
                        return Err(AddressError::Value { name: "auth_mechanism", wanted });
                    }
                });
            }
            _ => return Err(AddressError::Setting),
        }
    }
    Ok(settings)
}

fn decoded(text: &str, part: &'static str) -> Result<String, AddressError> {
    let wrong = AddressError::Encoding { part };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong) };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
    }
    String::from_utf8(bytes).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn everything_but_the_host_has_a_default() {
        let uri = address("amqp://broker").uri;
        assert_eq!(uri.authority.userinfo, AMQPUserInfo::default());
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("broker", 5672));
        assert_eq!((uri.vhost.as_str(), uri.query.heartbeat), ("/", Some(10)));
        assert_eq!(address("amqps://broker/").uri.authority.port, 5671);
        assert_eq!(address("amqps://broker/").uri.vhost, "/");
    }

    #[test]
    fn all_parts_are_read() {
        let uri = address("amqp://a%40b:p%3A%2f%25@[::1]:7000/v%2Fw?heartbeat=2&auth_mechanism=external").uri;
        assert_eq!(uri.authority.userinfo.username, "a@b");
        assert_eq!(uri.authority.userinfo.password, "p:/%");
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("::1", 7000));
        assert_eq!(uri.vhost, "v/w");
        assert_eq!(uri.query.heartbeat, Some(2));
        assert_eq!(uri.query.auth_mechanism, Some(SASLMechanism::External));
    }

    #[test]
    fn the_password_is_not_shown() {
        let address = address("amqp://user:s%65cret@[::1]/vhost");
        assert_eq!(address.to_string(), "amqp://user@[::1]:5672/vhost");
        assert_eq!(format!("{address:?}"), "Address(amqp://user@[::1]:5672/vhost)");
    }

    #[test]
    fn what_is_wrong_is_named_but_not_quoted() {
        let wrong = [
            ("http://secret@host", AddressError::Scheme),
            ("secret", AddressError::Scheme),
            ("", AddressError::Empty),
            ("amqp://user:secret@", AddressError::Host),
            ("amqp://user:secret@:5672", AddressError::Host),
            ("amqp://host:secret", AddressError::Port),
            ("amqp://host:0", AddressError::Port),
            ("amqp://user:sec/ret@host", AddressError::Misplaced),
            ("amqp://user:12/secret@host", AddressError::Misplaced),
            ("amqp://user:sec@ret@host", AddressError::Misplaced),
            ("amqp://user:12?secret@host", AddressError::Misplaced),
            ("amqp://user:se%zz@host", AddressError::Encoding { part: "password" }),
            ("amqp://host?secret=1", AddressError::Setting),
        ];
        for (text, error) in wrong {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_connection_without_heartbeats_is_refused() {
        let error = "amqp://host?heartbeat=0".parse::<Address>().unwrap_err();
        assert!(matches!(error, AddressError::Value { name: "heartbeat", .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(amqps?://)?[a-z0-9:@/?%\\[\\]&=é#]{0,40}") {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn any_password_survives_escaping(password in "\\PC{1,20}") {
            let escaped: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let address = address(&format!("amqp://user:{escaped}@host"));
            prop_assert_eq!(&address.uri.authority.userinfo.password, &password);
        }
    }
}
