//! How this program is called again, to go on with an execution or to look at it.

use std::fmt::Write as _;
use std::path::Path;

use clap::ValueEnum as _;
use protocol::ExecutionId;

use crate::cli::Common;

/// The command with which an execution goes on: this program, as the user called it.
pub(crate) fn resume_command(common: &Common, id: &ExecutionId) -> String {
    command(common, &format!("execute --resume {id}"))
}

/// This program with other arguments and the same place for executions.
pub(crate) fn command(common: &Common, arguments: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "coordinator".to_owned());
    format!("{program} {arguments}{}", place(common, |name| std::env::var(name).ok()))
}

/// The options that say where executions are, as far as they were given on the command line and not
/// by the environment. No password is in them.
fn place(common: &Common, environment: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut add = |option: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = write!(text, " {option} {}", quoted(value));
    };
    let is_named = |name: &str| environment(name).is_some();
    let servers = &common.servers;
    if common.embedded || (servers.broker.is_none() && servers.store.is_none()) {
        if let Some(directory) = &common.state_dir
            && environment("OTAMAN_STATE_DIR").as_deref().map(Path::new) != Some(directory)
        {
            add("--state-dir", &directory.display().to_string());
        }
        if common.embedded && (is_named("AMQP_URL") || is_named("REDIS_URL")) {
            text.push_str(" --embedded");
        }
        return text;
    }
    if let Some(broker) = &servers.broker
        && environment("AMQP_URL").and_then(|url| url.parse().ok()).as_ref() != Some(broker)
    {
        add("--broker", &with_password_hidden(&broker.to_string()));
    }
    if let Some(store) = &servers.store
        && environment("REDIS_URL").and_then(|url| url.parse().ok()).as_ref() != Some(store)
    {
        add("--store", &store.to_string());
    }
    if servers.prefix != environment("OTAMAN_PREFIX").as_deref().unwrap_or("otaman") {
        add("--prefix", &servers.prefix);
    }
    let queue_type = servers.queue_type.and_then(|kind| kind.to_possible_value());
    if let Some(kind) = queue_type
        && kind.get_name() != environment("OTAMAN_QUEUE_TYPE").as_deref().unwrap_or("quorum")
    {
        add("--queue-type", kind.get_name());
    }
    for (option, name, file) in [
        ("--shared-dir", "OTAMAN_SHARED_DIR", &servers.shared_dir),
        ("--tls-ca", "OTAMAN_TLS_CA", &servers.tls_ca),
        ("--tls-cert", "OTAMAN_TLS_CERT", &servers.tls_cert),
        ("--tls-key", "OTAMAN_TLS_KEY", &servers.tls_key),
        ("--signing-key-file", "OTAMAN_SIGNING_KEY_FILE", &servers.signing_key_file),
    ] {
        if let Some(file) = file
            && environment(name).as_deref().map(Path::new) != Some(file)
        {
            add(option, &file.display().to_string());
        }
    }
    text
}

/// A URL that leaves its password out, with a mark for where it belongs.
fn with_password_hidden(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, host))) if !user.contains(':') => format!("{scheme}://{user}:***@{host}"),
        _ => url.to_owned(),
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use backends::distributed::Options;

    use super::*;

    fn common(servers: Options) -> Common {
        Common { state_dir: None, embedded: false, verbose: 0, quiet: false, servers }
    }

    fn named(broker: &str, store: &str) -> Options {
        Options {
            broker: Some(broker.parse().unwrap()),
            store: Some(store.parse().unwrap()),
            prefix: "otaman".to_owned(),
            ..Options::default()
        }
    }

    #[test]
    fn what_the_environment_says_is_left_out() {
        let common = common(named("amqp://me:secret@mq", "redis://:secret@store"));
        let said = |name: &str| match name {
            "AMQP_URL" => Some("amqp://me:secret@mq".to_owned()),
            "REDIS_URL" => Some("redis://:secret@store".to_owned()),
            _ => None,
        };
        assert_eq!(place(&common, said), "");
    }

    #[test]
    fn what_the_command_line_says_is_repeated_without_passwords() {
        let mut servers = named("amqp://me:secret@mq", "redis://:secret@store");
        servers.prefix = "test".to_owned();
        servers.shared_dir = Some(PathBuf::from("/shared dir"));
        let text = place(&common(servers), |_| None);
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains(" --broker 'amqp://me:***@mq"), "{text}");
        assert!(text.contains(" --store 'redis://:***@store"), "{text}");
        assert!(text.ends_with(" --prefix test --shared-dir '/shared dir'"), "{text}");
    }

    #[test]
    fn without_servers_the_state_directory_counts() {
        let mut common = common(Options { prefix: "otaman".to_owned(), ..Options::default() });
        common.state_dir = Some(PathBuf::from("/state"));
        assert_eq!(place(&common, |_| None), " --state-dir /state");
        assert_eq!(place(&common, |name| (name == "OTAMAN_STATE_DIR").then(|| "/state".to_owned())), "");
        common.embedded = true;
        let named = |name: &str| (name == "AMQP_URL").then(|| "amqp://mq".to_owned());
        assert_eq!(place(&common, named), " --state-dir /state --embedded");
    }
}
