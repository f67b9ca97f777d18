//! Controllers behind the BMC.

use std::sync::Arc;

use farrier_ipmi::chassis::GetChassisStatus;
use farrier_ipmi::target::{Hop, Route, Target};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc, Satellite, Settings};
use ipmi_rs::app::GetDeviceId;

use crate::bench::{Bench, task};
use crate::{LOGIN, soon, transport};

const NEAR: Satellite = Satellite { channel: 7, address: 0x72, behind: None };
const FAR: Satellite = Satellite { behind: Some((6, 0x82)), ..NEAR };

fn bmc(satellite: Satellite) -> Bmc {
    Bmc::start(Settings { satellite: Some(satellite), ..Settings::default() }).unwrap()
}

fn through(bmc: &Bmc, route: Route) -> Arc<Target> {
    let target = Arc::into_inner(LOGIN.at(bmc.address())).unwrap();
    Arc::new(Target { route: Some(route), ..target })
}

#[tokio::test]
async fn a_controller_is_reached_one_hop_away() {
    let bmc = bmc(NEAR);
    let target = Hop { channel: 7, address: 0x72 };
    let target = through(&bmc, Route { local_address: 0x20, target, transit: None });
    let transport = transport();

    let id = transport.execute(&target, GetDeviceId, soon()).await.unwrap();
    let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(id.manufacturer_id, 343);
    assert!(status.power_on, "the satellite is on, the machine of the BMC is off");
}

#[tokio::test]
async fn a_controller_is_reached_two_hops_away() {
    let bmc = bmc(FAR);
    let route = Route {
        local_address: 0x20,
        target: Hop { channel: 6, address: 0x82 },
        transit: Some(Hop { channel: 7, address: 0x72 }),
    };

    let id = transport().execute(&through(&bmc, route), GetDeviceId, soon()).await.unwrap();

    assert_eq!(id.manufacturer_id, 343);
}

#[tokio::test]
async fn a_controller_that_is_not_there_is_an_error_that_says_so() {
    for (bmc, transit) in [(bmc(NEAR), None), (bmc(FAR), Some(Hop { channel: 7, address: 0x72 }))] {
        let target = Hop { channel: 6, address: 0x99 };
        let route = Route { local_address: 0x20, target, transit };

        let error = transport().execute(&through(&bmc, route), GetDeviceId, soon()).await.unwrap_err();

        assert!(
            error
                .to_string()
                .ends_with("refused Send Message: the controller behind the BMC does not answer (83h)"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn one_session_serves_the_bmc_and_those_behind_it() {
    let bmc = bmc(NEAR);
    let target = Hop { channel: 7, address: 0x72 };
    let behind = through(&bmc, Route { local_address: 0x20, target, transit: None });
    let transport = transport();

    transport.execute(&behind, GetDeviceId, soon()).await.unwrap();
    let own = transport.execute(&LOGIN.at(bmc.address()), GetDeviceId, soon()).await.unwrap();

    assert_ne!(own.manufacturer_id, 343);
    assert_eq!(bmc.open_requests(), 1);
}

#[tokio::test]
async fn a_node_names_the_way_in_its_driver_info() {
    let bmc = bmc(NEAR);
    let bench = Bench::new();
    let info = json!({
        "ipmi_bridging": "single", "ipmi_target_channel": "7", "ipmi_target_address": "0x72",
    });

    let state = bench.power.get_power_state(&task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &info)).await;

    assert_eq!(state.unwrap(), PowerState::On);
}
