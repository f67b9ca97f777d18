//! What was read from a machine, as clients see it.

use farrier_api::bios::BiosSetting as BiosWire;
use farrier_api::firmware::FirmwareComponent as FirmwareWire;
use farrier_model::bios::BiosSetting;
use farrier_model::firmware::FirmwareComponent;

use super::time;

/// A BIOS setting on the wire, of a node that links call `node`; what its machine says about it is not known.
pub(crate) fn bios_setting(base: &str, node: &str, setting: &BiosSetting) -> BiosWire {
    let wire = BiosWire {
        created_at: Some(time(setting.created_at)),
        updated_at: setting.updated_at.map(time),
        name: setting.name.clone(),
        value: setting.value.clone(),
        ..BiosWire::default()
    };
    wire.with_links(base, node)
}

/// The firmware of a component on the wire.
pub(crate) fn firmware(component: &FirmwareComponent) -> FirmwareWire {
    FirmwareWire {
        created_at: Some(time(component.created_at)),
        updated_at: component.updated_at.map(time),
        component: component.component.clone(),
        initial_version: component.initial_version.clone(),
        current_version: component.current_version.clone(),
        last_version_flashed: component.last_version_flashed.clone(),
    }
}
