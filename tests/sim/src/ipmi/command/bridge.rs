//! Messages to controllers behind the BMC.
//!
//! Source: IPMI 2.0, sections 6.13 and 22.7.

use super::code;
use crate::ipmi::controller::Controller;
use crate::ipmi::packet::Request;

/// Number of Send Message.
const SEND_MESSAGE: (u8, u8) = (0x06, 0x34);
/// Bit of the channel: the answer is wanted.
const TRACKING: u8 = 0x40;
/// Nobody is there.
const NO_ACKNOWLEDGEMENT: u8 = 0x83;

impl Controller {
    /// Send Message: the answer to it, and the answer of the one it was for, as a message to the client.
    pub(super) fn send_message(&mut self, request: &Request) -> (Vec<u8>, Option<Vec<u8>>) {
        let refuse = |code| (vec![code], None);
        let Some(satellite) = self.settings.satellite else { return refuse(NO_ACKNOWLEDGEMENT) };
        let Some((channel, inner)) = unwrapped(&request.data) else { return refuse(code::LENGTH) };
        let Some(inner) = Request::parse(inner) else { return refuse(code::INVALID_FIELD) };
        if (channel, inner.to) != (satellite.channel, satellite.address) {
            return refuse(NO_ACKNOWLEDGEMENT);
        }
        let answer = match satellite.behind {
            None => passed_on(request, &inner, self.satellite_answer(&inner)),
            Some((far_channel, far_address)) => {
                if (inner.netfn, inner.cmd) != SEND_MESSAGE {
                    return refuse(NO_ACKNOWLEDGEMENT);
                }
                let innermost = unwrapped(&inner.data).filter(|(channel, _)| *channel == far_channel);
                let Some(innermost) = innermost.and_then(|(_, message)| Request::parse(message)) else {
                    return refuse(code::INVALID_FIELD);
                };
                if innermost.to != far_address {
                    // The controller in between says so.
                    return (vec![code::OK], Some(passed_on(request, &inner, vec![NO_ACKNOWLEDGEMENT])));
                }
                // It wraps the answer into its own.
                let body = self.satellite_answer(&innermost);
                let embedded = innermost.answer(&body);
                passed_on(request, &inner, [&[code::OK][..], &embedded].concat())
            }
        };
        (vec![code::OK], Some(answer))
    }

    /// What the controller behind us answers: it has an identity, a power state of its own, and no sensors.
    fn satellite_answer(&mut self, request: &Request) -> Vec<u8> {
        self.note((request.netfn, request.cmd), &request.data);
        match (request.netfn, request.cmd) {
            (0x06, 0x01) => vec![code::OK, 0x72, 0x01, 0x01, 0x00, 0x02, 0x29, 0x57, 0x01, 0x00, 0x34, 0x12],
            (0x00, 0x01) => vec![code::OK, 0x01, 0x00, 0x40],
            _ => vec![code::INVALID_COMMAND],
        }
    }
}

/// Channel and message of a Send Message.
fn unwrapped(data: &[u8]) -> Option<(u8, &[u8])> {
    let (first, message) = data.split_first()?;
    (first & TRACKING != 0).then_some((first & 0x0F, message))
}

/// An answer as the client gets it: from the one it was for, with the numbers of the request to us.
fn passed_on(outer: &Request, inner: &Request, body: Vec<u8>) -> Vec<u8> {
    let as_sent = Request {
        to: inner.to,
        netfn: inner.netfn,
        lun: inner.lun,
        from: outer.from,
        sequence_lun: outer.sequence_lun,
        cmd: inner.cmd,
        data: Vec::new(),
    };
    as_sent.answer(&body)
}
