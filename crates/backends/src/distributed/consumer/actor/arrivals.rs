//! Copies as they come: opened, and put aside if they are of no use here.

use std::sync::Arc;

use super::Actor;
use crate::distributed::blobs;
use crate::distributed::consumer::effects::Opened;
use crate::distributed::consumer::held::{Item, Place};
use crate::distributed::consumer::source::Arrival;
use crate::distributed::copy::{self, Copy, Unopened};
use crate::distributed::queues::park_time;
use crate::rabbitmq;

/// After so many waits, some hours in all, nobody will find the bytes of a large task any more.
const MOST_PUT_OFF: u32 = 30;

impl Actor {
    pub(super) async fn came(&mut self, arrival: Arrival) {
        let Arrival { source, delivery } = arrival;
        self.sources[source].came(delivery.ticket);
        self.tools.vitals.count(|counters| counters.delivered += 1);
        let queue = self.sources[source].queue.clone();
        if copy::is_by_reference(&delivery) {
            self.effects.push(Box::pin(Arc::clone(&self.tools).open(source, queue, delivery)));
        } else {
            let opened = self.tools.copies.open(&queue, &delivery).await;
            self.opened(Opened { source, delivery, opened });
        }
    }

    pub(super) fn opened(&mut self, Opened { source, delivery, opened }: Opened) {
        let place = Place { source, ticket: delivery.ticket };
        let copy = match opened {
            Ok(copy) => copy,
            Err(Unopened::Refused(refused)) => return self.bury(place, &delivery, refused.to_string()),
            Err(Unopened::Blob(error)) => return self.put_off(place, delivery, &error),
        };
        let task = copy.task.id;
        tracing::trace!(%task, execution = %copy.execution, ticket = ?place.ticket, redelivered = delivery.is_redelivered, parks = copy.parks, "a copy has come");
        match self.held.get_mut(&task) {
            Some(held) if held.copy.execution != copy.execution => self.park(copy, place),
            // Those of an earlier run of the execution may be dropped, so the later one obliges us.
            Some(held) if copy.incarnation > held.copy.incarnation && !held.is_handing_over => {
                held.copy = copy;
                if let Some(known) = held.place.replace(place) {
                    self.sources[known.source].ack(known.ticket);
                }
            }
            Some(held) => match held.place {
                // A second copy; the first obliges us as well.
                Some(known) if self.sources[known.source].is_current(known.ticket) => {
                    self.sources[source].ack(place.ticket);
                }
                // The connection of the first one is gone, and it has come again.
                Some(_) => held.place = Some(place),
                // It was handed over; this is the copy that obliges us, so it must stay somewhere.
                None => self.park(copy, place),
            },
            None if self.claiming.contains(&task) => self.park(copy, place),
            None => self.buffered.push_back(Item::new(copy, place)),
        }
    }

    /// The bytes of a large task cannot be reached: others may have more luck, or we later.
    pub(super) fn put_off(&mut self, place: Place, delivery: rabbitmq::Delivery, error: &blobs::Error) {
        let parks = copy::parks(&delivery);
        if !error.is_transient() || parks >= MOST_PUT_OFF {
            return self.bury(place, &delivery, error.to_string());
        }
        let wait = park_time(parks);
        tracing::warn!(error = error as &dyn std::error::Error, again_in = ?wait, "cannot read a large task");
        let queue = self.sources[place.source].queue.clone();
        self.tools.vitals.count(|counters| counters.parked += 1);
        self.effects.push(Box::pin(Arc::clone(&self.tools).put_off(queue, delivery, place, wait)));
    }

    pub(super) fn bury(&mut self, place: Place, delivery: &rabbitmq::Delivery, reason: String) {
        let mut count = 0;
        self.tools.vitals.count(|counters| {
            counters.refused += 1;
            count = counters.refused;
        });
        self.lookahead.learn_of_junk(delivery.body.len());
        // A flood of them must not flood the log.
        if count.is_power_of_two() {
            tracing::warn!(queue = %self.sources[place.source].queue, reason, count, "a message cannot be taken; it is put aside");
        }
        let queue = &self.sources[place.source].queue;
        self.to_bury.push((self.tools.copies.dead(queue, &reason, &delivery.body), place));
    }

    /// Puts a copy aside because somebody has the task.
    pub(super) fn park(&mut self, copy: Copy, place: Place) {
        let wait = park_time(copy.parks);
        self.to_park.push((copy.parked(), place, wait));
    }
}
