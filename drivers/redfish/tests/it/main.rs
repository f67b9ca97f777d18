//! The driver against BMCs: scripted ones, `sushy-emulator`, and vendors' from the labs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like the tests themselves"
)]

mod authentication;
mod bench;
mod bmc;
mod boot_device;
mod connection;
mod discovery;
mod etag;
mod job;
mod labs;
mod power;
mod retry;
mod sushy;
mod tls;
mod virtual_media;
