//! Names of the signals that end processes.

/// Number and name of each, as Linux has them.
const SIGNALS: [(i32, &str); 13] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
];

/// What a signal is called, such as `SIGKILL`.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    SIGNALS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The number of a signal, with or without `SIG`.
pub(crate) fn number(name: &str) -> Option<i32> {
    let short = |name: &'static str| name.trim_start_matches("SIG");
    SIGNALS.iter().find(|(_, known)| *known == name || short(known) == name).map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_both_ways() {
        for (number_of_it, name_of_it) in SIGNALS {
            assert_eq!(name(number_of_it), Some(name_of_it));
            assert_eq!(number(name_of_it), Some(number_of_it));
        }
        assert_eq!((number("KILL"), number("kill"), name(64)), (Some(9), None, None));
    }
}
