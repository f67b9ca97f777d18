//! The driver against BMCs: scripted ones, `sushy-emulator`, and vendors' from the labs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like the tests themselves"
)]

mod authentication;
mod bench;
mod bios;
mod bmc;
mod boot_device;
mod connection;
mod discovery;
mod errors;
mod etag;
mod firmware;
mod garbage;
mod inspect;
mod job;
mod labs;
mod management;
mod power;
mod retry;
mod rows;
mod sushy;
mod tls;
mod vendor;
mod virtual_media;
