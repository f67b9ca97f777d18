//! Messages to controllers behind the BMC, carried by Send Message.
//!
//! Source: IPMI 2.0, sections 6.13 and 22.7.

use ipmi_rs::connection::{Message, NetFn};

use super::message::{Reply, RequestSequence, encode_request_between};
use crate::target::{Hop, Route};

/// Number of Send Message.
pub const SEND_MESSAGE: u8 = 0x34;

/// Bit of the channel: the answer is to be handed back.
const TRACKING: u8 = 0x40;

/// Most messages inside one another: one for each hop, and the answer.
const DEPTH_MAX: usize = 3;

/// What a reply means for a message that was sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridged {
    /// The answer.
    Answer(Reply),
    /// The BMC has sent the message on; its answer follows.
    Sent,
    /// The BMC, or the controller in between, could not send it on, for the reason of its completion code.
    Refused(Reply),
    /// It belongs to something else.
    Unasked,
}

/// Wraps a request to unit `lun` of the controller a route leads to into one to the BMC.
#[must_use]
pub fn wrap(request: &Message, lun: u8, route: &Route, sequence: RequestSequence) -> Message {
    let inner = encode_request_between(route.local_address, route.target.address, request, lun, sequence);
    let last = send_message(route.target, &inner);
    match route.transit {
        None => last,
        Some(transit) => {
            let inner = encode_request_between(route.local_address, transit.address, &last, 0, sequence);
            send_message(transit, &inner)
        }
    }
}

fn send_message(hop: Hop, message: &[u8]) -> Message {
    let mut data = vec![TRACKING | hop.channel & 0x0F];
    data.extend_from_slice(message);
    Message::new_request(NetFn::App, SEND_MESSAGE, data)
}

/// Finds the answer to `request` in a reply: alone, or inside the answers of those who carried it.
#[must_use]
pub fn unwrap(reply: Reply, request: &Message, sequence: RequestSequence) -> Bridged {
    let mut reply = reply;
    for _ in 0..DEPTH_MAX {
        let carried = reply.netfn == NetFn::App.response_value()
            && reply.cmd == SEND_MESSAGE
            && reply.sequence == sequence;
        if !carried {
            return if reply.answers(request, sequence) { Bridged::Answer(reply) } else { Bridged::Unasked };
        }
        if reply.completion_code != 0 {
            return Bridged::Refused(reply);
        }
        if reply.data.is_empty() {
            return Bridged::Sent;
        }
        reply = match Reply::parse(&reply.data) {
            Ok(inner) => inner,
            Err(_) => return Bridged::Unasked,
        };
    }
    Bridged::Unasked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SINGLE: Route =
        Route { local_address: 0x20, target: Hop { channel: 7, address: 0x72 }, transit: None };

    const DUAL: Route = Route { transit: Some(Hop { channel: 6, address: 0x82 }), ..SINGLE };

    fn device_id() -> Message {
        Message::new_request(NetFn::App, 0x01, Vec::new())
    }

    fn reply(cmd: u8, completion_code: u8, data: Vec<u8>) -> Reply {
        let sequence = RequestSequence::new(5);
        Reply { netfn: 7, cmd, sequence, completion_code, data, checksums_good: true }
    }

    /// A reply as it travels inside another.
    fn embedded(cmd: u8, body: &[u8]) -> Vec<u8> {
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
        let mut message = vec![0x20, 0x1C];
        message.push(sum(&message));
        message.extend_from_slice(&[0x72, 5 << 2, cmd]);
        message.extend_from_slice(body);
        message.push(sum(&message[3..]));
        message
    }

    #[test]
    fn a_request_for_one_hop_is_wrapped_once() {
        let message = wrap(&device_id(), 0, &SINGLE, RequestSequence::new(5));

        assert_eq!((message.netfn_raw(), message.cmd()), (6, SEND_MESSAGE));
        assert_eq!(message.data(), [0x47, 0x72, 0x18, 0x76, 0x20, 0x14, 0x01, 0xCB]);
    }

    #[test]
    fn a_request_for_two_hops_is_wrapped_twice() {
        let message = wrap(&device_id(), 0, &DUAL, RequestSequence::new(5));

        assert_eq!(message.data()[..7], [0x46, 0x82, 0x18, 0x66, 0x20, 0x14, SEND_MESSAGE]);
        assert_eq!(message.data()[7..15], [0x47, 0x72, 0x18, 0x76, 0x20, 0x14, 0x01, 0xCB]);
    }

    #[test]
    fn the_answer_comes_alone_or_inside_others() {
        let sequence = RequestSequence::new(5);
        let alone = unwrap(reply(0x01, 0, vec![1, 2]), &device_id(), sequence);
        let inside = reply(SEND_MESSAGE, 0, embedded(0x01, &[0, 1, 2]));
        let twice =
            reply(SEND_MESSAGE, 0, embedded(SEND_MESSAGE, &[&[0][..], &embedded(0x01, &[0, 1, 2])].concat()));

        for answer in [alone, unwrap(inside, &device_id(), sequence), unwrap(twice, &device_id(), sequence)] {
            let Bridged::Answer(reply) = answer else { panic!("{answer:?}") };
            assert_eq!((reply.cmd, reply.data), (0x01, vec![1, 2]));
        }
    }

    #[test]
    fn carriers_confirm_and_refuse() {
        let sequence = RequestSequence::new(5);

        assert_eq!(unwrap(reply(SEND_MESSAGE, 0, vec![]), &device_id(), sequence), Bridged::Sent);
        let refusal = reply(SEND_MESSAGE, 0x83, vec![]);
        assert_eq!(unwrap(refusal.clone(), &device_id(), sequence), Bridged::Refused(refusal));
        assert_eq!(unwrap(reply(0x02, 0, vec![]), &device_id(), sequence), Bridged::Unasked);
    }

    proptest! {
        #[test]
        fn no_reply_panics(
            cmd in prop::sample::select(vec![0x01, SEND_MESSAGE]), code: u8,
            data in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            drop(unwrap(reply(cmd, code, data), &device_id(), RequestSequence::new(5)));
        }
    }
}
