//! Virtual media devices: which one is taken, what is sent, what is waited for.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, node, task, task_with};
use crate::bmc::{Bmc, PASSWORD, ROOT, Reply, SYSTEM, USER};

const MANAGER: &str = "/redfish/v1/Managers/1";
const OWN: &str = "/redfish/v1/Systems/1/VirtualMedia";
const MANAGED: &str = "/redfish/v1/Managers/1/VirtualMedia";
const IMAGE: &str = "http://images.example.com/a.iso";

/// A BMC with these devices at its System: name and media types.
fn bmc(slots: &[(&str, Value)]) -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"VirtualMedia": {"@odata.id": OWN}}));
    add(&bmc, OWN, slots);
    bmc
}

/// The same at its manager.
fn managed(slots: &[(&str, Value)]) -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"Links": {"ManagedBy": [{"@odata.id": MANAGER}]}}));
    bmc.change(MANAGER, &json!({"VirtualMedia": {"@odata.id": MANAGED}}));
    add(&bmc, MANAGED, slots);
    bmc
}

fn add(bmc: &Bmc, place: &str, slots: &[(&str, Value)]) {
    let members: Vec<Value> =
        slots.iter().map(|(name, _)| json!({"@odata.id": format!("{place}/{name}")})).collect();
    bmc.change(place, &json!({"Members": members}));
    for (name, types) in slots {
        let path = format!("{place}/{name}");
        let action = |action: &str| json!({"target": format!("{path}/Actions/VirtualMedia.{action}")});
        bmc.change(
            &path,
            &json!({"@odata.id": path, "Id": name, "MediaTypes": types, "Inserted": false, "Image": null,
                "Actions": {"#VirtualMedia.InsertMedia": action("InsertMedia"),
                    "#VirtualMedia.EjectMedia": action("EjectMedia")}}),
        );
    }
}

fn insert_of(slot: &str) -> String {
    format!("{slot}/Actions/VirtualMedia.InsertMedia")
}

fn eject_of(slot: &str) -> String {
    format!("{slot}/Actions/VirtualMedia.EjectMedia")
}

fn image_in(bmc: &Bmc, slot: &str) -> Value {
    bmc.state().resources[slot]["Image"].clone()
}

/// What was posted or patched to this path.
fn bodies(bmc: &Bmc, path: &str) -> Vec<Value> {
    let log = bmc.state().log.clone();
    log.iter()
        .filter(|request| request.path == path && request.method != "GET")
        .map(|request| request.json())
        .collect()
}

async fn attach(bmc: &Bmc, kind: &str) -> Result<()> {
    Bench::new().management.attach_virtual_media(&task(bmc), kind.to_owned(), IMAGE.to_owned()).await
}

async fn detach(bmc: &Bmc, kinds: Option<Vec<String>>) -> Result<()> {
    Bench::new().management.detach_virtual_media(&task(bmc), kinds).await
}

#[tokio::test]
async fn a_disc_goes_into_the_first_device_for_discs() {
    let bmc = bmc(&[("usb", json!(["USBStick"])), ("dvd", json!(["DVD"])), ("cd", json!(["CD", "DVD"]))]);

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/cd")), IMAGE);
    assert_eq!(bodies(&bmc, &insert_of(&format!("{OWN}/cd"))), [json!({"Image": IMAGE})]);
    attach(&bmc, "usb").await.unwrap();
    assert_eq!(image_in(&bmc, &format!("{OWN}/usb")), IMAGE);
    assert_eq!(image_in(&bmc, &format!("{OWN}/dvd")), Value::Null);
}

#[tokio::test]
async fn devices_of_the_manager_serve_when_the_system_has_none() {
    let bmc = managed(&[("1", json!(["Floppy"])), ("2", json!(["CD"]))]);

    attach(&bmc, "cdrom").await.unwrap();

    let state = Bench::new().management.get_virtual_media(&task(&bmc)).await.unwrap();
    let shown: Vec<_> = state.iter().map(|media| (media.media_types.concat(), media.inserted)).collect();
    assert_eq!(shown, [("floppy".to_owned(), false), ("cdrom".to_owned(), true)]);
    assert_eq!(state[1].image.as_deref(), Some(IMAGE));
}

#[tokio::test]
async fn a_link_to_devices_that_points_to_nothing_is_none() {
    let bmc = managed(&[("cd", json!(["CD"]))]);
    bmc.change(SYSTEM, &json!({"VirtualMedia": {"@odata.id": OWN}}));

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{MANAGED}/cd")), IMAGE);
}

#[tokio::test]
async fn machines_without_devices_say_so() {
    for bmc in [Bmc::start(), bmc(&[]), managed(&[])] {
        let error = attach(&bmc, "cdrom").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(detach(&bmc, None).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let error = attach(&bmc(&[("1", json!(["Floppy"]))]), "cdrom").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
}

#[tokio::test]
async fn devices_without_types_are_known_by_their_names() {
    let bmc = bmc(&[("HD1", Value::Null), ("CD1", Value::Null)]);
    bmc.change(&format!("{OWN}/CD1"), &json!({"Image": "None"}));

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/CD1")), IMAGE);
}

#[tokio::test]
async fn an_image_that_is_there_already_stays() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    attach(&bmc, "cdrom").await.unwrap();

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(bodies(&bmc, &insert_of(&format!("{OWN}/cd"))).len(), 1);
}

#[tokio::test]
async fn the_next_device_is_tried_when_one_is_full_or_refuses() {
    let bmc = bmc(&[("1", json!(["CD"])), ("2", json!(["CD"])), ("3", json!(["CD"])), ("4", json!(["CD"]))]);
    bmc.change(&format!("{OWN}/1"), &json!({"Inserted": true, "Image": "http://h/other.iso"}));
    bmc.rule("POST", &insert_of(&format!("{OWN}/2")), 1, Reply::status(405));
    bmc.rule(
        "POST",
        &insert_of(&format!("{OWN}/3")),
        1,
        Reply::error(400, "Base.1.8.ActionNotSupported", "no"),
    );

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/4")), IMAGE);
    assert_eq!(image_in(&bmc, &format!("{OWN}/1")), "http://h/other.iso");
}

#[tokio::test]
async fn when_no_device_takes_the_image_the_first_and_the_last_reason_are_told() {
    let bmc = bmc(&[("1", json!(["CD"])), ("2", json!(["CD"])), ("3", json!(["CD"]))]);
    for (slot, text) in [("1", "first reason"), ("2", "second reason"), ("3", "third reason")] {
        let reply = Reply::error(400, "Base.1.8.GeneralError", text);
        bmc.rule("POST", &insert_of(&format!("{OWN}/{slot}")), 1, reply);
    }

    let error = attach(&bmc, "cdrom").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.message().contains("first reason") && error.message().contains("third reason"), "{error}");
    assert!(!error.message().contains("second reason"), "{error}");
}

#[tokio::test]
async fn what_a_bmc_misses_is_added_each_thing_once() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let insert = insert_of(&format!("{OWN}/cd"));
    for name in ["TransferProtocolType", "TransferMethod", "UserName"] {
        let text = format!("The action requires the parameter {name} to be present.");
        bmc.rule("POST", &insert, 1, Reply::error(400, "Base.1.8.ActionParameterMissing", &text));
    }

    attach(&bmc, "cdrom").await.unwrap();

    let sent = bodies(&bmc, &insert);
    assert_eq!(sent.len(), 4);
    assert_eq!(
        sent[3],
        json!({"Image": IMAGE, "TransferProtocolType": "HTTP", "TransferMethod": "Stream",
            "UserName": "none", "Password": "none"})
    );
}

#[tokio::test]
async fn a_bmc_that_never_has_enough_is_asked_four_times() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let insert = insert_of(&format!("{OWN}/cd"));
    let text = "wants TransferProtocolType, TransferMethod and UserName";
    bmc.rule("POST", &insert, 100, Reply::error(400, "Base.1.8.GeneralError", text));

    assert_eq!(attach(&bmc, "cdrom").await.unwrap_err().kind(), ErrorKind::InvalidParameter);

    assert_eq!(bodies(&bmc, &insert).len(), 4);
}

#[tokio::test]
async fn the_protocol_that_the_node_names_goes_with_the_image() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let task = task_with(&bmc, &json!({"vmedia_transport_protocol": "https"}));

    let bench = Bench::new();
    bench.management.attach_virtual_media(&task, "cdrom".to_owned(), IMAGE.to_owned()).await.unwrap();

    let sent = bodies(&bmc, &insert_of(&format!("{OWN}/cd")));
    assert_eq!(sent, [json!({"Image": IMAGE, "TransferProtocolType": "HTTPS"})]);
}

#[tokio::test]
async fn a_device_that_fails_may_still_be_ejecting_and_is_asked_three_times() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let insert = insert_of(&format!("{OWN}/cd"));
    bmc.rule("POST", &insert, 2, Reply::error(500, "IDRAC.2.8.VRM0012", "in use"));
    attach(&bmc, "cdrom").await.unwrap();
    detach(&bmc, None).await.unwrap();
    bmc.rule("POST", &insert, 3, Reply::error(500, "IDRAC.2.8.VRM0012", "in use"));

    let error = attach(&bmc, "cdrom").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(bodies(&bmc, &insert).len(), 6);
}

#[tokio::test]
async fn devices_without_actions_are_written() {
    let bmc = bmc(&[("EXT1", json!(["CD"]))]);
    let slot = format!("{OWN}/EXT1");
    bmc.change(&slot, &json!({"Actions": null}));
    bmc.state().tag = Some("\"a\"".to_owned());

    attach(&bmc, "cdrom").await.unwrap();
    detach(&bmc, Some(vec!["cdrom".to_owned()])).await.unwrap();

    assert_eq!(
        bodies(&bmc, &slot),
        [
            json!({"Image": IMAGE, "Inserted": true, "WriteProtected": true}),
            json!({"Image": null, "Inserted": false})
        ]
    );
    let log = bmc.state().log.clone();
    assert!(log.iter().filter(|r| r.method == "PATCH").all(|r| r.header("if-match") == Some("\"a\"")));
}

#[tokio::test]
async fn devices_that_can_be_neither_asked_nor_written_are_passed_over() {
    let bmc = bmc(&[("RDOC1", json!(["CD"])), ("EXT1", json!(["CD"]))]);
    let closed = format!("{OWN}/RDOC1");
    bmc.change(&closed, &json!({"Actions": {}}));
    bmc.change(&closed, &json!({"Actions": null}));
    let body = bmc.state().resources[&closed].to_string();
    let read_only = Reply::Answer(200, vec![("Allow", "GET, HEAD".to_owned())], body);
    bmc.rule("GET", &closed, 2, read_only);

    attach(&bmc, "cdrom").await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/EXT1")), IMAGE);
    assert!(bodies(&bmc, &closed).is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_looking_into_the_device() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let insert = insert_of(&format!("{OWN}/cd"));
    bmc.rule("POST", &insert, 1, Reply::DoAndDrop);
    attach(&bmc, "cdrom").await.unwrap();
    assert_eq!(bodies(&bmc, &insert).len(), 1);
    bmc.rule("POST", &eject_of(&format!("{OWN}/cd")), 1, Reply::DoAndDrop);
    detach(&bmc, None).await.unwrap();
    assert_eq!(bodies(&bmc, &eject_of(&format!("{OWN}/cd"))).len(), 1);

    bmc.rule("POST", &insert, 1, Reply::Drop);
    attach(&bmc, "cdrom").await.unwrap();
    assert_eq!(bodies(&bmc, &insert).len(), 3);
    detach(&bmc, None).await.unwrap();
    bmc.rule("POST", &insert, 100, Reply::Drop);
    assert_eq!(attach(&bmc, "cdrom").await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(bodies(&bmc, &insert).len(), 6);
}

#[tokio::test]
async fn a_device_that_stays_empty_is_an_error() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    bmc.rule("POST", &insert_of(&format!("{OWN}/cd")), 1, Reply::status(204));
    let bench = Bench::with(json!({"media_change_timeout": 0.1, "poll_interval": 0.02}));

    let attached =
        bench.management.attach_virtual_media(&task(&bmc), "cdrom".to_owned(), IMAGE.to_owned()).await;

    let error = attached.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hardware, "{error}");
    assert!(error.message().contains("is not full after"), "{error}");
}

#[tokio::test]
async fn a_device_of_any_manager_will_do() {
    let bmc = managed(&[("1", json!(["Floppy"]))]);
    let (other, place) = ("/redfish/v1/Managers/2", "/redfish/v1/Managers/2/VirtualMedia");
    bmc.change(SYSTEM, &json!({"Links": {"ManagedBy": [{"@odata.id": MANAGER}, {"@odata.id": other}]}}));
    bmc.change(other, &json!({"VirtualMedia": {"@odata.id": place}}));
    add(&bmc, place, &[("cd", json!(["CD"]))]);
    let (bench, task) = (Bench::new(), task(&bmc));

    bench.management.attach_virtual_media(&task, "cdrom".to_owned(), IMAGE.to_owned()).await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{place}/cd")), IMAGE);
    assert_eq!(bench.management.get_virtual_media(&task).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_eject_that_is_not_possible_now_is_asked_for_again_with_its_body() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let (slot, eject) = (format!("{OWN}/cd"), eject_of(&format!("{OWN}/cd")));
    bmc.change(&slot, &json!({"Inserted": true, "Image": IMAGE}));
    bmc.rule("POST", &eject, 1, Reply::error(400, "iLO.2.14.InvalidOperationForSystemState", "in POST"));

    Bench::new().management.detach_virtual_media(&task(&bmc), None).await.unwrap();

    assert_eq!(bodies(&bmc, &eject), [json!({}), json!({})]);
}

#[tokio::test]
async fn ejecting_looks_at_system_and_managers_and_needs_nothing_to_be_there() {
    let bmc = managed(&[("cd", json!(["CD"])), ("usb", json!(["USBStick"]))]);
    bmc.change(SYSTEM, &json!({"VirtualMedia": {"@odata.id": OWN}}));
    add(&bmc, OWN, &[("1", json!(["CD", "DVD"]))]);
    for slot in [format!("{OWN}/1"), format!("{MANAGED}/cd"), format!("{MANAGED}/usb")] {
        bmc.change(&slot, &json!({"Inserted": true, "Image": IMAGE}));
    }

    detach(&bmc, Some(vec!["cdrom".to_owned()])).await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/1")), Value::Null);
    assert_eq!(image_in(&bmc, &format!("{MANAGED}/cd")), Value::Null);
    assert_eq!(image_in(&bmc, &format!("{MANAGED}/usb")), IMAGE);
    detach(&bmc, Some(vec!["cdrom".to_owned()])).await.unwrap();
    assert_eq!(bodies(&bmc, &eject_of(&format!("{OWN}/1"))), [json!({})]);
}

#[tokio::test]
async fn an_eject_that_is_refused_because_nothing_is_there_is_one() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    let (slot, eject) = (format!("{OWN}/cd"), eject_of(&format!("{OWN}/cd")));
    let full = json!({"Inserted": true, "Image": IMAGE, "MediaTypes": ["CD"],
        "Actions": {"#VirtualMedia.EjectMedia": {"target": eject}}});
    bmc.rule("GET", &slot, 1, Reply::Answer(200, vec![], full.to_string()));
    bmc.rule("POST", &eject, 1, Reply::error(400, "Base.1.8.PropertyValueConflict", "nothing there"));
    detach(&bmc, None).await.unwrap();

    bmc.change(&slot, &json!({"Inserted": true, "Image": IMAGE}));
    bmc.rule("POST", &eject, 1, Reply::error(500, "Base.1.8.InternalError", "no"));
    assert_eq!(detach(&bmc, None).await.unwrap_err().kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn members_are_read_together_where_the_service_can() {
    let bmc = bmc(&[("cd", json!(["CD"])), ("usb", json!(["USBStick"]))]);
    bmc.change(ROOT, &json!({"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": true}}}));
    let whole: Vec<Value> =
        ["cd", "usb"].iter().map(|slot| bmc.state().resources[&format!("{OWN}/{slot}")].clone()).collect();
    bmc.change(&format!("{OWN}?$expand=.($levels=1)"), &json!({"Members": whole}));
    let (bench, task) = (Bench::new(), task(&bmc));
    bench.management.get_virtual_media(&task).await.unwrap();
    bmc.state().log.clear();

    bench.management.attach_virtual_media(&task, "cdrom".to_owned(), IMAGE.to_owned()).await.unwrap();

    assert_eq!(
        bmc.asked(),
        [
            "GET /Systems/1/VirtualMedia?$expand=.($levels=1) 200",
            "POST /Systems/1/VirtualMedia/cd/Actions/VirtualMedia.InsertMedia 204",
            "GET /Systems/1/VirtualMedia/cd 200"
        ]
    );
}

#[tokio::test]
async fn members_are_read_one_by_one_where_expanding_fails() {
    let bmc = bmc(&[("cd", json!(["CD"]))]);
    bmc.change(ROOT, &json!({"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": true}}}));
    let expand = format!("{OWN}?$expand=.($levels=1)");
    for reply in [Reply::status(501), Reply::status(400), Reply::Answer(200, vec![], "[]".to_owned())] {
        bmc.rule("GET", &expand, 1, reply);

        let state = Bench::new().management.get_virtual_media(&task(&bmc)).await.unwrap();

        assert_eq!(state.len(), 1);
    }
}

#[tokio::test]
async fn bad_arguments_are_refused_before_anything_is_sent() {
    let (bmc, bench) = (bmc(&[("cd", json!(["CD"]))]), Bench::new());
    let long = format!("http://h/{}", "x".repeat(8192));

    for (kind, url) in
        [("tape", IMAGE), ("cdrom", ""), ("cdrom", "file:///x"), ("cdrom", "http://"), ("cdrom", &long)]
    {
        let attached =
            bench.management.attach_virtual_media(&task(&bmc), kind.to_owned(), url.to_owned()).await;
        assert_eq!(attached.unwrap_err().kind(), ErrorKind::InvalidParameter, "{kind} {url}");
    }
    let detached = bench.management.detach_virtual_media(&task(&bmc), Some(vec!["tape".to_owned()])).await;
    assert_eq!(detached.unwrap_err().kind(), ErrorKind::InvalidParameter);

    assert!(bmc.asked().is_empty());
}

#[tokio::test]
async fn an_instance_that_is_an_image_is_inserted_and_booted_until_it_is_removed() {
    let (bmc, bench) = (bmc(&[("cd", json!(["CD"]))]), Bench::new());
    bmc.change(&format!("{OWN}/cd"), &json!({"Inserted": true, "Image": "http://h/old.iso"}));
    let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
        "redfish_password": PASSWORD}, "instance_info": {"boot_iso": IMAGE}}));

    bench.boot.validate(&task).await.unwrap();
    bench.boot.prepare_instance(&task).await.unwrap();

    assert_eq!(image_in(&bmc, &format!("{OWN}/cd")), IMAGE);
    let boot = bmc.state().resources[SYSTEM]["Boot"].clone();
    assert_eq!(
        (boot["BootSourceOverrideTarget"].as_str(), boot["BootSourceOverrideEnabled"].as_str()),
        (Some("Cd"), Some("Continuous"))
    );

    bench.boot.clean_up_instance(&task).await.unwrap();
    assert_eq!(image_in(&bmc, &format!("{OWN}/cd")), Value::Null);
    bench.boot.clean_up_instance(&task).await.unwrap();
}

#[tokio::test]
async fn a_machine_is_put_into_the_boot_mode_its_node_wants_before_it_boots_an_image() {
    let rows = [("bios", "Legacy", 1), ("uefi", "UEFI", 0)];
    for (mode, shown, changes) in rows {
        let (bmc, bench) = (bmc(&[("cd", json!(["CD"]))]), Bench::new());
        let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
            "redfish_password": PASSWORD}, "instance_info": {"boot_iso": IMAGE},
            "properties": {"capabilities": format!("boot_mode:{mode}")}}));

        bench.boot.prepare_instance(&task).await.unwrap();

        let log = bmc.state().log.clone();
        let patches: Vec<Value> = log
            .iter()
            .filter(|asked| asked.method == "PATCH")
            .map(|asked| asked.json()["Boot"].clone())
            .collect();
        assert_eq!(patches.len(), changes + 1, "{patches:?}");
        assert!(patches.iter().take(changes).all(|boot| boot["BootSourceOverrideMode"] == shown));
        let boot = bmc.state().resources[SYSTEM]["Boot"].clone();
        assert_eq!(
            (&boot["BootSourceOverrideMode"], &boot["BootSourceOverrideTarget"]),
            (&json!(shown), &json!("Cd"))
        );
    }
}

#[tokio::test]
async fn an_instance_on_disk_boots_from_disk() {
    let (bmc, bench) = (bmc(&[("cd", json!(["CD"]))]), Bench::new());

    bench.boot.prepare_instance(&task(&bmc)).await.unwrap();

    assert_eq!(bmc.state().resources[SYSTEM]["Boot"]["BootSourceOverrideTarget"], "Hdd");
}

#[tokio::test]
async fn an_old_idrac_is_refused_with_the_version_that_works() {
    let bmc = managed(&[("cd", json!(["CD"]))]);
    bmc.change(ROOT, &json!({"Vendor": "Dell"}));
    for (version, refused) in [("5.10.30.00", true), ("1.20.25.00", true), ("6.00.30.00", false)] {
        bmc.change(MANAGER, &json!({"FirmwareVersion": version}));
        let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
            "redfish_password": PASSWORD}, "instance_info": {"boot_iso": IMAGE}}));

        let prepared = Bench::new().boot.prepare_instance(&task).await;

        match prepared {
            Ok(()) => assert!(!refused, "{version}"),
            Err(error) => {
                assert!(refused, "{version}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.message().contains("6.00"), "{error}");
            }
        }
    }
}
