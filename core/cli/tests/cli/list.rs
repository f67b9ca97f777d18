//! Lists and single things, in every format.

use serde_json::json;

use crate::fake::{Fake, N1, below};
use crate::run::farrier;

#[test]
fn nodes_are_listed_for_people() {
    let fake = Fake::start();

    let run = farrier(&fake, "node list");

    insta::assert_snapshot!(run.stdout, @"
    NAME                                  DRIVER  POWER      PROVISION      MAINTENANCE
    n1                                    ipmi    power on   active         no
    a1b2c3d4-0002-4000-8000-000000000002  ipmi    power off  available      no
    n3                                    ipmi    error      deploy failed  yes
    ");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn more_columns_are_shown_when_wanted() {
    let fake = Fake::start();

    let run = farrier(&fake, "node list -o wide");

    let head = run.stdout.lines().next().unwrap();
    assert_eq!(
        head.split("  ").filter(|word| !word.trim().is_empty()).map(str::trim).collect::<Vec<_>>(),
        [
            "NAME",
            "DRIVER",
            "POWER",
            "PROVISION",
            "MAINTENANCE",
            "UUID",
            "LOCKED BY",
            "CONDUCTOR",
            "CLASS",
            "INSTANCE",
            "AGE",
            "LAST ERROR"
        ]
    );
}

#[test]
fn every_page_is_read_through_the_address_that_worked() {
    let fake = Fake::start();

    let run = farrier(&fake, "node list -o name");

    assert_eq!(run.stdout, "n1\na1b2c3d4-0002-4000-8000-000000000002\nn3\n");
    insta::assert_snapshot!(fake.lines().join("\n"), @"
    GET /v1/nodes?fields=name,uuid
    GET /v1/nodes?sort_key=id&sort_dir=asc&fields=name,uuid&limit=2&marker=a1b2c3d4-0002-4000-8000-000000000002
    ");
}

#[test]
fn a_limit_is_asked_for_and_kept() {
    let fake = Fake::start();

    assert_eq!(farrier(&fake, "node list --limit 1 -o name").stdout, "n1\n");
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn filters_stand_in_the_query() {
    let fake = Fake::start();

    farrier(
        &fake,
        "node list -o name --driver ipmi --provision-state active --maintenance --associated false",
    );

    assert_eq!(
        fake.lines()[0],
        "GET /v1/nodes?driver=ipmi&provision_state=active&maintenance=True&associated=False&fields=name,uuid"
    );
}

#[test]
fn programs_get_the_objects_of_the_api() {
    let fake = Fake::start();

    let run = farrier(&fake, "node list -o json");

    let nodes = run.json();
    assert_eq!(nodes[0]["uuid"], N1);
    assert_eq!(nodes[0]["links"][0]["href"], below(&fake, &format!("nodes/{N1}")));
    assert_eq!(nodes.as_array().unwrap().len(), 3);
    assert_eq!(fake.lines()[0], "GET /v1/nodes?detail=True");
}

#[test]
fn chosen_members_are_the_columns() {
    let fake = Fake::start();

    let run = farrier(&fake, "node list --fields name,power_state");

    insta::assert_snapshot!(run.stdout, @"
    NAME  POWER STATE
    n1    power on
    -     power off
    n3    error
    ");
    let json = farrier(&fake, "node list --fields name -o json").json();
    assert_eq!(json[0]["name"], "n1");
    assert!(json[0].get("power_state").is_none());
}

#[test]
fn an_empty_list_is_an_empty_output() {
    let fake = Fake::start();

    let run = farrier(&fake, "port list");

    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(farrier(&fake, "port list -o json").json(), json!([]));
}

#[test]
fn one_node_is_shown_member_by_member() {
    let fake = Fake::start();

    let run = farrier(&fake, "node show n1 --fields uuid,name,driver,power_state,extra");

    insta::assert_snapshot!(run.stdout, @"
    FIELD        VALUE
    uuid         a1b2c3d4-0001-4000-8000-000000000001
    driver       ipmi
    extra        {}
    name         n1
    power_state  power on
    ");
}

#[test]
fn one_node_is_shown_as_yaml() {
    let fake = Fake::start();

    let run = farrier(&fake, "node show n1 --fields name,power_state,extra,traits -o yaml");

    assert!(run.stdout.contains("name: n1\npower_state: power on\ntraits: []\n"), "{}", run.stdout);
}

#[test]
fn drivers_are_listed_and_shown() {
    let fake = Fake::start();

    insta::assert_snapshot!(farrier(&fake, "driver list").stdout, @"
    NAME  TYPE     CONDUCTORS
    ipmi  dynamic  c1
    ");
    insta::assert_snapshot!(farrier(&fake, "driver list -o wide").stdout, @"
    NAME  TYPE     CONDUCTORS  POWER     MANAGEMENT  BOOT  DEPLOY  INSPECT
    ipmi  dynamic  c1          ipmitool  -           -     -       -
    ");
    insta::assert_snapshot!(farrier(&fake, "driver show ipmi").stdout, @"
    FIELD                     VALUE
    name                      ipmi
    hosts                     c1
    type                      dynamic
    default_power_interface   ipmitool
    enabled_power_interfaces  ipmitool
    ");
    insta::assert_snapshot!(farrier(&fake, "driver properties ipmi").stdout, @"
    PROPERTY      DESCRIPTION
    ipmi_address  Where the BMC is. Required.
    ipmi_port     Its port.
    ");
    assert_eq!(farrier(&fake, "driver properties ipmi -o json").json()["ipmi_port"], "Its port.");
}

#[test]
fn conductors_are_listed_and_shown() {
    let fake = Fake::start();

    insta::assert_snapshot!(farrier(&fake, "conductor list").stdout, @"
    HOSTNAME  GROUP  ALIVE  SEEN
    c1        -      no     -
    ");
    insta::assert_snapshot!(farrier(&fake, "conductor show c1").stdout, @"
    FIELD            VALUE
    created_at       -
    updated_at       -
    hostname         c1
    conductor_group  -
    drivers          ipmi
    alive            no
    ");
}

#[test]
fn the_version_of_the_server_is_told_when_asked_for() {
    let fake = Fake::start();

    let run = farrier(&fake, "version --verbose -o json").json();
    assert_eq!(run["server"], json!({"url": fake.url, "min": "1.1", "max": "1.115"}));

    let run = farrier(&fake, "version");
    assert_eq!(run.stdout, format!("farrier {} (API 1.1 to 1.115)\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(fake.requests().len(), 1);
}
