//! Bytes of unknown origin: refused with a reason, never with a panic or a flood of memory.

use proptest::prelude::*;
use protocol::error::EnvelopeError;
use protocol::{
    Cause, Ending, Envelope, Failure, MAX_DEPTH, MAX_ENVELOPE_BYTES, Outcome, Session, Task, TaskId, Value,
};
use serde::Serialize;

use crate::samples;

/// Decodes as each kind; a panic is what these tests look for.
fn decode_all(bytes: &[u8]) -> usize {
    let task = Envelope::<Task>::decode(bytes).is_ok();
    let outcome = Envelope::<Outcome>::decode(bytes).is_ok();
    let session = Envelope::<Session>::decode(bytes).is_ok();
    let value = Value::from_bytes(bytes).is_ok();
    [task, outcome, session, value].into_iter().filter(|accepted| *accepted).count()
}

fn envelope<M>(body: M) -> Envelope<M> {
    Envelope { execution: "nightly-7".parse().unwrap(), body }
}

fn valid_messages() -> Vec<Vec<u8>> {
    vec![
        envelope(samples::minimal_task()).encode().unwrap(),
        envelope(samples::full_task()).encode().unwrap(),
        envelope(samples::succeeded()).encode().unwrap(),
        envelope(samples::failed()).encode().unwrap(),
        envelope(samples::cancelled()).encode().unwrap(),
        envelope(samples::session()).encode().unwrap(),
    ]
}

/// A small generator of numbers (xorshift, Marsaglia 2003): fast also in a debug build, and the same
/// numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn four_hundred_thousand_random_byte_strings_never_panic() {
    let mut numbers = Numbers(0x5eed);
    for _ in 0..400_000 {
        let length = numbers.below(64);
        let bytes: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
        let accepted = decode_all(&bytes);
        assert!(accepted <= 1, "at most a value, never a message: {bytes:?}");
    }
}

#[test]
fn six_hundred_thousand_mutated_messages_never_panic() {
    let messages = valid_messages();
    let mut numbers = Numbers(0xdecade);
    let mut refused = 0;
    for _ in 0..600_000 {
        let mut bytes = messages[numbers.below(messages.len())].clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes[at] = numbers.next() as u8,
                1 => bytes[at] ^= 1 << numbers.below(8),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, numbers.next() as u8),
            }
        }
        bytes.truncate(bytes.len() - numbers.below(bytes.len()) * numbers.below(2));
        bytes.push(0);
        bytes.pop();
        refused += usize::from(decode_all(&bytes) == 0);
    }
    assert!(refused > 300_000, "mutations are noticed: {refused}");
}

#[test]
fn every_cut_of_a_message_is_refused() {
    for bytes in valid_messages() {
        assert_eq!(decode_all(&bytes), 2, "a message, and as such a value");
        for length in 0..bytes.len() {
            assert_eq!(decode_all(&bytes[..length]), 0, "{length} of {} bytes", bytes.len());
        }
        assert_eq!(decode_all(&[&bytes[..], &[0xc0]].concat()), 0, "one byte more");
    }
}

/// The wire form, written here by hand as a stranger would.
#[derive(Serialize)]
struct Wire {
    v: u32,
    kind: &'static str,
    execution: &'static str,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

fn wire(v: u32, kind: &'static str, execution: &'static str, body: &[u8]) -> Vec<u8> {
    rmp_serde::to_vec_named(&Wire { v, kind, execution, body: body.to_vec() }).unwrap()
}

fn task_body() -> Vec<u8> {
    rmp_serde::to_vec_named(&samples::minimal_task()).unwrap()
}

#[test]
fn the_hand_written_form_is_ours() {
    let bytes = wire(1, "task", "nightly-7", &task_body());
    assert_eq!(Envelope::<Task>::decode(&bytes).unwrap(), envelope(samples::minimal_task()));
}

#[test]
fn a_later_version_another_kind_and_a_bad_name_are_told_apart() {
    let decode = |bytes: Vec<u8>| Envelope::<Task>::decode(&bytes).unwrap_err();
    assert!(matches!(
        decode(wire(2, "task", "nightly-7", &task_body())),
        EnvelopeError::Version { version: 2 }
    ));
    assert!(matches!(decode(wire(1, "outcome", "nightly-7", &task_body())), EnvelopeError::Kind { .. }));
    assert!(matches!(decode(wire(1, "task", "Bad Name", &task_body())), EnvelopeError::Decode(_)));
    assert!(matches!(decode(wire(1, "task", "nightly-7", &[0xc0])), EnvelopeError::Decode(_)));
}

#[test]
fn unknown_fields_of_later_releases_are_ignored() {
    #[derive(Serialize)]
    struct Later {
        hop: u8,
        #[serde(flatten)]
        wire: Wire,
    }
    let wire = Wire { v: 1, kind: "task", execution: "nightly-7", body: task_body() };
    let bytes = rmp_serde::to_vec_named(&Later { hop: 1, wire }).unwrap();
    assert_eq!(Envelope::<Task>::decode(&bytes).unwrap().body, samples::minimal_task());
}

#[test]
fn too_large_a_message_is_neither_written_nor_read() {
    let text = "x".repeat(MAX_ENVELOPE_BYTES);
    let mut task = samples::minimal_task();
    task.arguments = Value::encode(&text).unwrap();
    assert!(matches!(envelope(task).encode(), Err(EnvelopeError::TooLarge { .. })));
    let bytes = wire(1, "task", "nightly-7", text.as_bytes());
    let error = Envelope::<Task>::decode(&bytes).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLarge { size, .. } if size == bytes.len()), "{error}");
}

#[test]
fn the_largest_message_passes() {
    let mut task = samples::minimal_task();
    let overhead = envelope(task.clone()).encode().unwrap().len() + 32;
    task.arguments = Value::encode(&"x".repeat(MAX_ENVELOPE_BYTES - overhead)).unwrap();
    let bytes = envelope(task.clone()).encode().unwrap();
    assert!(bytes.len() > MAX_ENVELOPE_BYTES - 64);
    assert_eq!(Envelope::<Task>::decode(&bytes).unwrap().body, task);
}

#[test]
fn deep_nesting_is_refused_before_it_is_decoded() {
    for depth in [MAX_DEPTH + 1, 1_000, 500_000] {
        let deep = [vec![0x91; depth], vec![0xc0]].concat();
        for bytes in [deep.clone(), wire(1, "task", "nightly-7", &deep)] {
            let error = Envelope::<Task>::decode(&bytes).unwrap_err();
            assert!(matches!(error, EnvelopeError::Malformed { .. }), "{depth}: {error}");
        }
    }
}

#[test]
fn announced_lengths_take_no_memory() {
    for lie in
        [[0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff]]
    {
        for bytes in [lie.to_vec(), wire(1, "outcome", "nightly-7", &lie)] {
            assert!(Envelope::<Outcome>::decode(&bytes).is_err());
        }
    }
}

proptest! {
    #[test]
    fn tasks_survive_the_envelope(
        name in "[A-Za-z0-9_.-]{1,128}", arguments in "\\PC{0,200}", worker_type in "[a-z]{1,20}",
        limit in prop::option::of(any::<u64>()), execution in "[a-z0-9][a-z0-9._-]{0,62}",
    ) {
        let mut task = samples::full_task().on(worker_type.parse().unwrap());
        task.operation = name.parse().unwrap();
        task.arguments = Value::encode(&arguments).unwrap();
        task.runtime_limit = limit.map(std::time::Duration::from_micros);
        let envelope = Envelope { execution: execution.parse().unwrap(), body: task };
        prop_assert_eq!(Envelope::decode(&envelope.encode().unwrap()).unwrap(), envelope);
    }

    #[test]
    fn outcomes_survive_the_envelope(
        task in any::<u128>(), attempt in any::<u32>(), started in any::<u64>(), duration in any::<u64>(),
        messages in prop::collection::vec("\\PC{0,50}", 0..4), exit_code in prop::option::of(any::<i32>()),
        value in prop::option::of(prop::collection::vec(any::<f64>(), 0..8)),
    ) {
        let ending = match value {
            Some(value) => Ending::Succeeded(Value::encode(&value).unwrap()),
            None => Ending::Failed(Failure { messages, exit_code, ..Failure::new(Cause::Timeout, "") }),
        };
        let outcome = Outcome {
            ending,
            attempt,
            started_at_us: started,
            duration: std::time::Duration::from_micros(duration),
            ..Outcome::cancelled(TaskId::from_u128(task))
        };
        let envelope = envelope(outcome);
        prop_assert_eq!(Envelope::decode(&envelope.encode().unwrap()).unwrap(), envelope);
    }
}
