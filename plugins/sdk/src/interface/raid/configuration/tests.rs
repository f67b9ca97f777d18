use serde_json::json;

use super::*;
use crate::error::ErrorKind;
use crate::property::NoInfo;
use crate::testing;

fn checked(config: &Value) -> Result<()> {
    check(config.as_object().unwrap())
}

#[test]
fn a_configuration_has_logical_disks_with_level_and_size() {
    let good = json!({"logical_disks": [
        {"raid_level": "1", "size_gb": 100, "is_root_volume": true, "volume_name": "root", "controller": "c1",
            "physical_disks": ["d1", {"size": ">= 100"}], "number_of_physical_disks": 2,
            "share_physical_disks": true, "disk_type": "ssd", "interface_type": "sas"},
        {"raid_level": "5+0", "size_gb": "MAX", "is_root_volume": false},
    ]});

    assert_eq!(checked(&good), Ok(()));
}

#[test]
fn a_wrong_configuration_is_refused_by_property() {
    let disk = json!({"raid_level": "1", "size_gb": 1});
    let cases = [
        (json!({}), "`logical_disks`"),
        (json!({"logical_disks": []}), "`logical_disks` is empty"),
        (json!({"logical_disks": [disk], "colour": "red"}), "`colour`"),
        (json!({"logical_disks": 1}), "`logical_disks`"),
        (json!({"logical_disks": [disk, 1]}), "logical disk 1: has to be an object"),
        (json!({"logical_disks": [{"size_gb": 1}]}), "`raid_level` has to be one of JBOD, 0"),
        (json!({"logical_disks": [{"raid_level": "1"}]}), "`size_gb` has to be a positive number or `MAX`"),
    ];

    for (config, named) in cases {
        let error = checked(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{config}");
        assert!(error.message().contains(named), "{error}");
    }
}

#[test]
fn each_property_has_its_shape() {
    for (name, wrong) in [
        ("raid_level", json!("7")),
        ("raid_level", json!(1)),
        ("size_gb", json!(0)),
        ("size_gb", json!("max")),
        ("size_gb", json!(1.5)),
        ("volume_name", json!(1)),
        ("is_root_volume", json!("yes")),
        ("share_physical_disks", json!(null)),
        ("disk_type", json!("tape")),
        ("interface_type", json!("usb")),
        ("number_of_physical_disks", json!(0)),
        ("controller", json!({})),
        ("physical_disks", json!([])),
        ("physical_disks", json!([1])),
        ("colour", json!("red")),
    ] {
        let mut disk = json!({"raid_level": "1", "size_gb": 1});
        disk[name] = wrong.clone();

        let error = checked(&json!({"logical_disks": [disk]})).unwrap_err();

        assert!(error.message().contains(&format!("logical disk 0: `{name}`")), "{name} {wrong}: {error}");
    }
}

#[test]
fn one_disk_is_booted_from_at_most() {
    let root = json!({"raid_level": "1", "size_gb": 1, "is_root_volume": true});

    let error = checked(&json!({"logical_disks": [root, root]})).unwrap_err();

    assert!(error.message().contains("2 disks to boot from"), "{error}");
}

#[test]
fn each_property_is_described_and_says_whether_it_is_required() {
    let properties = properties();

    assert_eq!(properties.len(), PROPERTIES.len());
    for Property { name, required, .. } in PROPERTIES {
        assert!(properties[*name].ends_with(if *required { "Required." } else { "Optional." }), "{name}");
    }
}

#[test]
fn the_volumes_to_make_are_those_that_are_wanted() {
    let root = json!({"raid_level": "1", "size_gb": 1, "is_root_volume": true});
    let other = json!({"raid_level": "0", "size_gb": "MAX"});
    let made = |disks: &Value, root, nonroot| {
        let node = json!({"target_raid_config": {"logical_disks": disks}});
        let task = testing::task::<NoInfo>(node).unwrap();
        volumes(&task, Wanted { root, nonroot }).map(|disks| json!(disks)).map_err(|error| error.kind())
    };
    let both = json!([other, root]);

    assert_eq!(made(&both, true, true), Ok(both.clone()));
    assert_eq!(made(&both, true, false), Ok(json!([root])));
    assert_eq!(made(&both, false, true), Ok(json!([other])));
    assert_eq!(made(&both, false, false), Err(ErrorKind::MissingParameter));
    assert_eq!(made(&json!([other]), true, false), Err(ErrorKind::MissingParameter));
    assert_eq!(made(&json!([1]), true, true), Err(ErrorKind::InvalidParameter));
    let none = testing::task::<NoInfo>(json!({})).unwrap();
    let refused = volumes(&none, Wanted { root: true, nonroot: true }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::MissingParameter);
}
