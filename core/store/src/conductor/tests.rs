use std::time::Duration;

use farrier_model::conductor::{Conductor, HardwareInterface};
use farrier_sdk::interface::InterfaceType;

use super::Registration;
use crate::error::StoreError;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    a_conductor_registers_itself,
    a_conductor_that_is_online_is_replaced_only_when_asked,
    a_conductor_comes_back_with_its_number,
    of_two_registrations_at_once_one_wins,
    touching_revives_and_leaving_ends,
    a_conductor_that_is_not_there_is_not_found,
    only_conductors_that_live_can_be_counted_on,
    interfaces_are_registered_whole_or_not_at_all,
    registering_again_forgets_the_interfaces,
}

fn registration(hostname: &str) -> Registration {
    Registration {
        hostname: hostname.to_owned(),
        conductor_group: "rack-1".to_owned(),
        drivers: vec!["redfish".to_owned(), "ipmi".to_owned(), "redfish".to_owned()],
        replace_online: false,
    }
}

fn interface(name: &str) -> HardwareInterface {
    HardwareInterface {
        hardware_type: "fake-hardware".to_owned(),
        interface_type: InterfaceType::Power,
        interface_name: name.to_owned(),
        is_default: name == "fake",
    }
}

async fn a_conductor_registers_itself(database: &TestDatabase) {
    let registered = database.store.conductor_register(&registration("host-1")).await.unwrap();

    assert_eq!(registered.drivers, ["ipmi", "redfish"]);
    assert_eq!(registered.conductor_group, "rack-1");
    assert!(registered.online);
    assert_eq!(database.store.conductor_get("host-1").await.unwrap(), registered);
    assert_eq!(database.store.conductor_list().await.unwrap(), [registered]);
}

async fn a_conductor_that_is_online_is_replaced_only_when_asked(database: &TestDatabase) {
    let store = &database.store;
    let first = store.conductor_register(&registration("host-1")).await.unwrap();

    let refused = store.conductor_register(&registration("host-1")).await.unwrap_err();
    let again = Registration {
        drivers: vec!["fake-hardware".to_owned()],
        replace_online: true,
        ..registration("host-1")
    };
    let second = store.conductor_register(&again).await.unwrap();

    assert!(matches!(refused, StoreError::ConductorAlreadyRegistered { hostname } if hostname == "host-1"));
    assert_eq!((second.id, second.created_at), (first.id, first.created_at));
    assert_eq!(second.drivers, ["fake-hardware"]);
}

async fn a_conductor_comes_back_with_its_number(database: &TestDatabase) {
    let first = database.store.conductor_register(&registration("host-1")).await.unwrap();
    database.store.conductor_offline("host-1").await.unwrap();

    let second = database.store.conductor_register(&registration("host-1")).await.unwrap();

    assert_eq!(second.id, first.id);
    assert!(second.online);
}

async fn of_two_registrations_at_once_one_wins(database: &TestDatabase) {
    let other = database.another().await;
    let registration = registration("host-1");

    let (first, second) = tokio::join!(
        database.store.conductor_register(&registration),
        other.conductor_register(&registration)
    );

    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    let error = first.err().or(second.err()).unwrap();
    assert!(matches!(error, StoreError::ConductorAlreadyRegistered { .. }), "{error:?}");
}

async fn touching_revives_and_leaving_ends(database: &TestDatabase) {
    let store = &database.store;
    let registered = store.conductor_register(&registration("host-1")).await.unwrap();

    store.conductor_offline("host-1").await.unwrap();
    let gone = store.conductor_get("host-1").await.unwrap();
    store.conductor_touch("host-1").await.unwrap();
    let back = store.conductor_get("host-1").await.unwrap();

    assert!(!gone.online);
    assert!(back.online);
    assert!(back.updated_at >= registered.updated_at);
}

async fn a_conductor_that_is_not_there_is_not_found(database: &TestDatabase) {
    let store = &database.store;
    for result in [
        store.conductor_get("nosuch").await.map(drop),
        store.conductor_touch("nosuch").await,
        store.conductor_offline("nosuch").await,
        store.conductor_destroy("nosuch", "aborted").await,
    ] {
        assert!(
            matches!(&result, Err(StoreError::ConductorNotFound { hostname }) if hostname == "nosuch"),
            "{result:?}"
        );
    }
}

async fn only_conductors_that_live_can_be_counted_on(database: &TestDatabase) {
    let store = &database.store;
    for name in ["living", "gone"] {
        store.conductor_register(&registration(name)).await.unwrap();
    }
    store.conductor_offline("gone").await.unwrap();
    let names = |conductors: Vec<Conductor>| {
        conductors.into_iter().map(|conductor| conductor.hostname).collect::<Vec<_>>()
    };

    let alive = store.conductor_list_alive(Duration::from_secs(60)).await.unwrap();
    let silent = store.conductor_list_alive(Duration::ZERO).await.unwrap();

    assert_eq!(names(alive), ["living"]);
    // Where nobody writes heartbeats, silence means nothing.
    assert_eq!(silent.is_empty(), store.is_shared());
}

async fn interfaces_are_registered_whole_or_not_at_all(database: &TestDatabase) {
    let store = &database.store;
    let conductor = store.conductor_register(&registration("host-1")).await.unwrap();
    store.conductor_interfaces_register(&conductor, &[interface("fake"), interface("agent")]).await.unwrap();

    let again =
        store.conductor_interfaces_register(&conductor, &[interface("other"), interface("fake")]).await;
    let nobody = Conductor { id: conductor.id + 1, ..conductor.clone() };
    let unknown = store.conductor_interfaces_register(&nobody, &[interface("fake")]).await;

    assert!(
        matches!(&again, Err(StoreError::ConductorHardwareInterfacesAlreadyRegistered { .. })),
        "{again:?}"
    );
    assert!(matches!(&unknown, Err(StoreError::ConductorNotFound { .. })), "{unknown:?}");
    let listed = store.conductor_interfaces_list(&conductor).await.unwrap();
    assert_eq!(listed, [interface("agent"), interface("fake")]);
    store.conductor_interfaces_clear(&conductor).await.unwrap();
    assert!(store.conductor_interfaces_list(&conductor).await.unwrap().is_empty());
}

async fn registering_again_forgets_the_interfaces(database: &TestDatabase) {
    let store = &database.store;
    let conductor = store.conductor_register(&registration("host-1")).await.unwrap();
    store.conductor_interfaces_register(&conductor, &[interface("fake")]).await.unwrap();

    let again = Registration { replace_online: true, ..registration("host-1") };
    let conductor = store.conductor_register(&again).await.unwrap();

    assert!(store.conductor_interfaces_list(&conductor).await.unwrap().is_empty());
}
