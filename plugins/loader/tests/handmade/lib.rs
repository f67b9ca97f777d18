//! A plugin without the SDK: on the boundary alone, so that a changed boundary is all it takes to build it.
//!
//! Not part of a crate here. Tests of the loader copy it beside a copy of `farrier-abi`, and build both.

use farrier_abi::abi_stable::prefix_type::PrefixTypeTrait;
use farrier_abi::abi_stable::std_types::{RResult, RSlice, RStr, RVec};
use farrier_abi::export::{Exported, LibHeader, header};
use farrier_abi::note::Note;
use farrier_abi::{Bytes, HostBox, PluginBox, PluginMod, PluginModRef};

/// Whether its root module cannot be made; tests change this line.
const PANICS: bool = false;

const TEXT: &str = include_str!("note.json");

const SIZE: usize = TEXT.len().next_multiple_of(4);

const PADDED: [u8; SIZE] = {
    let mut bytes = [b' '; SIZE];
    let mut at = 0;
    while at < TEXT.len() {
        bytes[at] = TEXT.as_bytes()[at];
        at += 1;
    }
    bytes
};

#[used]
#[unsafe(link_section = ".note.farrier")]
static NOTE: Note<SIZE> = Note::descriptor(PADDED);

#[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
pub static ROOT: LibHeader = header::<Handmade>();

struct Handmade;

impl Exported for Handmade {
    fn module() -> PluginModRef {
        if PANICS {
            panic!("no root module today");
        }
        PluginMod { descriptor, open }.leak_into_prefix()
    }
}

extern "C" fn descriptor() -> RStr<'static> {
    static BYTES: [u8; SIZE] = PADDED;
    RStr::from_str(std::str::from_utf8(&BYTES).unwrap())
}

extern "C" fn open(_host: HostBox, _config: RSlice<'_, u8>) -> RResult<PluginBox, Bytes> {
    RResult::RErr(RVec::from(br#"{"kind":"conflict","message":"it got as far as this"}"#.as_slice()))
}
