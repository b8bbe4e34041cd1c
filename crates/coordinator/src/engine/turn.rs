//! What gathers while one input is applied.

use otaman::driver::{NodeId, Settlement};
use protocol::FlowId;

use super::message::{Effect, Told};

/// What gathers while one input is applied.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) effects: Vec<Effect>,
    told: Vec<Told>,
    /// Flows whose generators have ended and that may be done now.
    pub(super) ended: Vec<FlowId>,
    pub(super) withdraws: bool,
}

impl Turn {
    pub(super) fn tell(&mut self, node: NodeId, settlement: Settlement) {
        self.told.push(Told { node, settlement });
    }

    pub(super) fn check(&mut self, flow: FlowId) {
        self.ended.push(flow);
    }

    /// Flows must hear of their children before they are asked again, so that comes first.
    pub(super) fn into_effects(mut self) -> Vec<Effect> {
        if !self.told.is_empty() {
            self.effects.insert(0, Effect::Tell(self.told));
        }
        if self.withdraws {
            self.effects.push(Effect::Withdraw);
        }
        self.effects
    }
}
