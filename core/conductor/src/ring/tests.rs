//! The expected placements were worked out by a script of a few lines on Python's `hashlib` and `bisect`, as the module
//! documentation describes them.

use farrier_store::Registration;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::task::tests::{Fixture, quick};

const HOSTS: [&str; 3] = ["conductor-1", "conductor-2", "conductor-3"];

fn ring(algorithm: &str, hosts: &[&str]) -> Ring {
    Ring::new(hosts.iter().copied(), serde_json::from_value(json!(algorithm)).unwrap(), 32)
}

/// The last digits of the owners of twelve nodes.
fn placement(ring: &Ring) -> String {
    let owners = (1..=12).map(|number| ring.owner(Uuid::from_u128(number)).unwrap());
    owners.map(|owner| owner.rsplit('-').next().unwrap()).collect()
}

#[test]
fn nodes_are_placed_where_the_reference_places_them() {
    for (algorithm, expected) in [
        ("md5", "311311232333"),
        ("sha1", "222211213112"),
        ("sha224", "233331311122"),
        ("sha256", "211211211112"),
        ("sha384", "133133321331"),
        ("sha512", "311122111112"),
        ("sha3_224", "211332113332"),
        ("sha3_256", "323311233232"),
        ("sha3_384", "332312233331"),
        ("sha3_512", "233323232233"),
        ("blake2b", "212333311233"),
        ("blake2s", "332232212322"),
    ] {
        assert_eq!(placement(&ring(algorithm, &HOSTS)), expected, "{algorithm}");
    }
}

#[test]
fn points_are_digests_of_the_name_repeated_from_twice_on() {
    let ring = ring("md5", &HOSTS);
    let shown = |point: &(Box<[u8]>, Arc<str>)| {
        let hex: String = point.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex} {}", point.1)
    };

    assert_eq!(ring.points.len(), 96);
    assert_eq!(shown(ring.points.first().unwrap()), "05998365dd5be289aa0e0178d3c206fb conductor-1");
    assert_eq!(shown(ring.points.last().unwrap()), "fee9843dd7af8d0ebbd585d4414962e9 conductor-2");
}

#[test]
fn a_ring_of_nobody_has_no_owner() {
    assert_eq!(ring("md5", &[]).owner(Uuid::from_u128(1)), None);
}

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("[a-z0-9-]{1,12}(:[0-9]{2,5})?", 1..12)
}

fn ring_of(hosts: &BTreeSet<String>) -> Ring {
    Ring::new(hosts.iter().map(String::as_str), HashAlgorithm::Md5, 32)
}

proptest! {
    #[test]
    fn every_node_has_exactly_one_owner_among_the_hosts(hosts in names(), node: u128) {
        let owner = ring_of(&hosts).owner(Uuid::from_u128(node)).unwrap().to_owned();

        prop_assert!(hosts.contains(&owner));
    }

    #[test]
    fn the_order_of_the_hosts_does_not_matter(hosts in names(), nodes in proptest::collection::vec(any::<u128>(), 1..50)) {
        let reversed = Ring::new(hosts.iter().rev().map(String::as_str), HashAlgorithm::Md5, 32);
        let ring = ring_of(&hosts);

        for node in nodes.into_iter().map(Uuid::from_u128) {
            prop_assert_eq!(ring.owner(node), reversed.owner(node));
        }
    }

    #[test]
    fn when_a_host_leaves_only_its_nodes_move(
        mut hosts in names(),
        leaving: prop::sample::Index,
        nodes in proptest::collection::vec(any::<u128>(), 1..200),
    ) {
        let before = ring_of(&hosts);
        let leaving = leaving.get(&hosts.iter().cloned().collect::<Vec<_>>()).clone();
        hosts.remove(&leaving);
        let after = ring_of(&hosts);

        for node in nodes.into_iter().map(Uuid::from_u128) {
            let owner = before.owner(node).unwrap();
            if owner == leaving {
                prop_assert_ne!(after.owner(node), Some(&*leaving));
            } else {
                prop_assert_eq!(after.owner(node), Some(owner));
            }
        }
    }

    #[test]
    fn hosts_have_about_the_same_number_of_nodes(hosts in proptest::collection::btree_set("[a-z]{8}", 2..8), seed: u64) {
        let ring = ring_of(&hosts);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for number in 0..2000_u128 {
            *counts.entry(ring.owner(Uuid::from_u128(u128::from(seed) << 64 | number)).unwrap()).or_default() += 1;
        }

        // With 32 points each the shares differ, but nobody has nearly all or nearly none.
        let fair = 2000 / u32::try_from(hosts.len()).unwrap();
        prop_assert_eq!(counts.len(), hosts.len());
        prop_assert!(counts.values().all(|&count| fair / 5 < count && count < fair * 3), "{counts:?}");
    }
}

/// With rings that stay as they were at the start.
fn slowly() -> ConductorConfig {
    ConductorConfig { hash_ring_reset_interval: 3600, ..quick() }
}

async fn register(fixture: &Fixture, host: &str, group: &str, drivers: &[&str]) {
    let registration = Registration {
        hostname: host.to_owned(),
        conductor_group: group.to_owned(),
        drivers: drivers.iter().map(|&driver| driver.to_owned()).collect(),
        replace_online: false,
    };
    fixture.store.conductor_register(&registration).await.unwrap();
}

async fn mapping(fixture: &Fixture) -> Arc<Mapping> {
    let shared = fixture.tasks().shared();
    shared.rings.read(&shared.store, &shared.config).await.unwrap()
}

#[tokio::test]
async fn there_is_a_ring_for_each_group_and_hardware_type() {
    let fixture = Fixture::new(quick()).await;
    register(&fixture, "host-2", "rack-1", &["ipmi"]).await;
    let mapping = mapping(&fixture).await;

    let node = Uuid::from_u128(7);
    assert_eq!(mapping.owner("", "fake-hardware", node), Ok("host-1"));
    assert_eq!(mapping.owner("rack-1", "ipmi", node), Ok("host-2"));
    assert_eq!(mapping.owner("", "ipmi", node), Err(Unowned::NoValidHost));
    assert_eq!(mapping.owner("rack-1", "fake-hardware", node), Err(Unowned::NoValidHost));
}

#[tokio::test]
async fn without_conductors_nobody_can_be_asked() {
    let fixture = Fixture::new(quick()).await;
    fixture.store.conductor_offline("host-1").await.unwrap();
    mapping(&fixture).await;

    let node =
        fixture.store.node_create(&farrier_model::node::Node::new(Uuid::new_v4(), "fake-hardware")).await;
    let asked = fixture.conductor.owner(&node.unwrap()).await;

    assert!(matches!(asked, Err(ConductorError::NoConductors)), "{asked:?}");
}

#[tokio::test]
async fn conductors_that_have_gone_own_nothing() {
    let fixture = Fixture::new(quick()).await;
    register(&fixture, "host-2", "", &["fake-hardware"]).await;
    let owners = |mapping: Arc<Mapping>| -> BTreeSet<String> {
        let nodes = (0..100).map(Uuid::from_u128);
        nodes.map(|node| mapping.owner("", "fake-hardware", node).unwrap().to_owned()).collect()
    };

    let both = owners(mapping(&fixture).await);
    fixture.store.conductor_offline("host-2").await.unwrap();
    let one = owners(mapping(&fixture).await);

    assert_eq!(both.into_iter().collect::<Vec<_>>(), ["host-1", "host-2"]);
    assert_eq!(one.into_iter().collect::<Vec<_>>(), ["host-1"]);
}

#[tokio::test]
async fn a_lookup_that_finds_nothing_reads_the_rings_once_more() {
    let fixture = Fixture::new(slowly()).await;
    register(&fixture, "host-2", "rack-1", &["ipmi"]).await;
    let reads = || fixture.store.probe().count("conductor_list");
    let before = reads();
    let node = |driver: &str| farrier_model::node::Node {
        conductor_group: "rack-1".to_owned(),
        ..farrier_model::node::Node::new(Uuid::new_v4(), driver)
    };

    let found = fixture.conductor.owner(&node("ipmi")).await.unwrap();
    let after_one = reads();
    let missing = fixture.conductor.owner(&node("redfish")).await;

    assert_eq!((found.as_str(), after_one - before), ("host-2", 1));
    assert!(matches!(missing, Err(ConductorError::NoValidHost { .. })), "{missing:?}");
    assert_eq!(reads() - after_one, 1);
}

#[tokio::test]
async fn rings_are_read_once_in_an_interval() {
    let fixture = Fixture::new(slowly()).await;
    let shared = fixture.tasks().shared();
    let before = fixture.store.probe().count("conductor_list");

    for _ in 0..10 {
        shared.rings.fresh(&shared.store, &shared.config).await.unwrap();
    }

    assert_eq!(fixture.store.probe().count("conductor_list"), before);
}

#[test]
fn too_many_partitions_are_refused() {
    let config = ConductorConfig { hash_partition_exponent: 13, ..quick() };

    assert!(matches!(Rings::new(&config), Err(ConductorError::IncorrectConfiguration { .. })));
}
