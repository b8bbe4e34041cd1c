//! An ordered list of rules, of which the first that matches decides.

use std::sync::{Arc, LazyLock};

use protocol::{Cause, Failure};

use crate::rules::defaults;
use crate::rules::rule::Rule;

/// Rules in the order in which they are tried. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Arc<[(Origin, Rule)]>);

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file of this name.
    File(Arc<str>),
    /// Otaman has it.
    Default,
}

impl Default for Rules {
    /// Those that Otaman has.
    fn default() -> Self {
        static DEFAULTS: LazyLock<Rules> =
            LazyLock::new(|| Rules(defaults::rules().map(|rule| (Origin::Default, rule)).collect()));
        DEFAULTS.clone()
    }
}

impl Rules {
    /// Rules from a file before those that Otaman has.
    pub(super) fn with_file(name: &str, rules: Vec<Rule>) -> Self {
        let origin = Origin::File(name.into());
        let own = rules.into_iter().map(|rule| (origin.clone(), rule));
        Self(own.chain(Self::default().0.iter().cloned()).collect())
    }

    /// All rules in their order, each with where it comes from.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, &Rule)> {
        self.0.iter().map(|(origin, rule)| (origin, rule))
    }

    /// The cause of a failure about which the operation said nothing; permanent if no rule matches.
    pub(crate) fn cause(&self, failure: &Failure, types: &[String]) -> Cause {
        let rule = self.0.iter().find(|(_, rule)| rule.matches(failure, types));
        rule.map_or(Cause::Permanent, |(_, rule)| rule.cause())
    }
}
