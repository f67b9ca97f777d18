use farrier_sdk::descriptor::ArgumentDescriptor;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::check::{Leniency, check};
use super::merge::{check_deploy_source, deploy_steps, stronger};
use super::order::{override_priorities, sort, weight};
use super::request::in_order;
use super::*;

fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

/// A step of a driver, as `raid.create`.
fn step(text: &str, priority: u32) -> Step {
    let StepId { interface, step } = id(text);
    Step {
        interface,
        step,
        priority,
        abortable: false,
        requires_ramdisk: false,
        arguments: BTreeMap::new(),
        args: Fields::new(),
        execute_on_child_nodes: false,
        limit_child_node_execution: Vec::new(),
        abort_after: false,
    }
}

/// The same with arguments; those that begin with `!` are required.
fn with_arguments(step: Step, names: &[&str]) -> Step {
    let arguments = names.iter().map(|name| {
        let (required, name) = name.strip_prefix('!').map_or((false, *name), |name| (true, name));
        (name.to_owned(), ArgumentDescriptor { description: format!("the {name}"), required })
    });
    Step { arguments: arguments.collect(), ..step }
}

fn requested(text: &str) -> RequestedStep {
    let StepId { interface, step } = id(text);
    RequestedStep::new(interface, step)
}

fn deploy(text: &str, priority: u32) -> RequestedStep {
    RequestedStep { priority: Some(priority), args: Some(Fields::new()), ..requested(text) }
}

fn ids(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.id().to_string()).collect()
}

fn arguments(value: Value) -> Option<Fields> {
    value.as_object().cloned()
}

fn problems(kind: StepKind, given: &[RequestedStep], known: &[Step], leniency: Leniency) -> String {
    check(kind, given, known, leniency).unwrap_err().to_string()
}

#[test]
fn a_step_is_named_by_interface_and_method() {
    assert_eq!(id("raid.create_configuration").to_string(), "raid.create_configuration");
    for text in ["", "raid", "raid.", ".create", "disk.create"] {
        assert_eq!(text.parse::<StepId>(), Err(InvalidStepId(text.to_owned())));
    }
}

#[test]
fn a_priority_is_given_as_step_and_number() {
    let priority: StepPriority = "deploy.erase_devices:5".parse().unwrap();

    assert_eq!((priority.step.to_string(), priority.priority), ("deploy.erase_devices".to_owned(), 5));
    assert_eq!(priority.to_string(), "deploy.erase_devices:5");
    for text in ["deploy.erase_devices", "deploy.erase_devices:", "deploy.erase_devices:-1", "erase:1", ""] {
        assert_eq!(text.parse::<StepPriority>(), Err(InvalidStepPriority(text.to_owned())));
    }
}

#[test]
fn bigger_priorities_go_first() {
    let mut steps = [step("raid.a", 1), step("raid.b", 30), step("raid.c", 20)];

    sort(StepKind::Clean, &mut steps);

    assert_eq!(ids(&steps), ["raid.b", "raid.c", "raid.a"]);
}

#[test]
fn equal_priorities_are_ordered_by_interface() {
    let tie = |kind, names: &str| {
        let mut steps: Vec<_> = names.split(' ').rev().map(|name| step(&format!("{name}.x"), 7)).collect();
        sort(kind, &mut steps);
        ids(&steps).join(" ").replace(".x", "")
    };

    let clean = "vendor power management firmware deploy bios raid";
    assert_eq!(tie(StepKind::Clean, clean), clean);
    assert_eq!(tie(StepKind::Deploy, clean), clean);
    let service = format!("network {clean}");
    assert_eq!(tie(StepKind::Service, &service), service);
    let verify =
        "power management firmware inspect deploy boot bios raid vendor network storage console rescue";
    assert_eq!(tie(StepKind::Verify, verify), verify);
}

#[test]
fn interfaces_without_weight_have_no_steps() {
    let without = |kind| {
        let all = InterfaceType::ALL.into_iter().filter(|&interface| weight(kind, interface) == 0);
        all.map(InterfaceType::as_str).collect::<Vec<_>>().join(" ")
    };

    assert_eq!(without(StepKind::Clean), "boot network console inspect rescue storage");
    assert_eq!(without(StepKind::Deploy), "boot network console inspect rescue storage");
    assert_eq!(without(StepKind::Service), "boot console inspect rescue storage");
    assert_eq!(without(StepKind::Verify), "");
}

#[test]
fn an_override_switches_a_step_off_or_on() {
    let mut steps = [step("raid.a", 1), step("bios.b", 0), step("bios.c", 3)];
    let overrides: Vec<StepPriority> =
        ["raid.a:0", "bios.b:9", "bios.none:1"].iter().map(|text| text.parse().unwrap()).collect();

    override_priorities(&mut steps, &overrides);

    assert_eq!(steps.map(|step| step.priority), [0, 9, 3]);
}

#[test]
fn deploy_steps_can_always_be_cut_short() {
    let descriptor: StepDescriptor =
        serde_json::from_value(json!({"kinds": ["clean", "deploy"], "step": "x", "priority": 1})).unwrap();

    let of = |kind| Step::of_driver(InterfaceType::Deploy, kind, &descriptor).abortable;

    assert!(of(StepKind::Deploy));
    assert!(!of(StepKind::Clean));
}

#[test]
fn a_bad_declaration_is_not_read() {
    let good = json!({"kinds": ["clean"], "step": "x", "priority": 1, "args": {"a": {"description": "b"}}});
    assert!(serde_json::from_value::<StepDescriptor>(good.clone()).is_ok());
    for (member, value) in [
        ("priority", json!("high")),
        ("priority", json!(-1)),
        ("priority", json!(1.5)),
        ("abortable", json!("yes")),
        ("requires_ramdisk", json!(1)),
        ("args", json!(["a"])),
        ("args", json!({"a": "b"})),
        ("args", json!({"a": {}})),
        ("args", json!({"a": {"description": 1}})),
        ("args", json!({"a": {"description": "b", "required": "yes"}})),
    ] {
        let mut bad = good.clone();
        bad[member] = value.clone();

        assert!(serde_json::from_value::<StepDescriptor>(bad).is_err(), "{member} {value}");
    }
}

#[test]
fn a_step_is_kept_as_clients_know_it() {
    let step = with_arguments(step("raid.create", 3), &["!size"]);

    let kept = Value::Object(step.to_fields());

    assert_eq!(
        kept,
        json!({
            "interface": "raid", "step": "create", "priority": 3, "abortable": false, "requires_ramdisk": false,
            "argsinfo": {"size": {"description": "the size", "required": true}},
        })
    );
    assert_eq!(Step::from_fields(&step.to_fields()), Some(step));
    assert_eq!(Step::from_fields(&Fields::new()), None);
}

#[test]
fn a_step_an_agent_tells_of_is_read_whatever_else_it_says() {
    let told = json!({"interface": "deploy", "step": "erase_devices", "priority": 10, "reboot_requested": false,
                      "abortable": true, "argsinfo": null});

    let step: Step = serde_json::from_value(told).unwrap();

    assert_eq!((step.id(), step.priority, step.abortable), (id("deploy.erase_devices"), 10, true));
}

#[test]
fn clean_and_service_steps_need_interface_and_step_and_know_four_members_more() {
    let full = json!({
        "interface": "raid", "step": "create", "args": {"a": 1}, "order": 2,
        "execute_on_child_nodes": true, "limit_child_node_execution": ["x"],
    });

    for kind in [StepKind::Clean, StepKind::Service] {
        let steps = RequestedStep::read(kind, &[full.clone(), json!({"interface": "raid", "step": "x"})]);

        let steps = steps.unwrap();
        assert_eq!((steps[0].order, steps[0].execute_on_child_nodes), (Some(2), true));
        assert_eq!(steps[1], requested("raid.x"));
    }
}

#[test]
fn deploy_steps_need_all_four_members_and_take_digits_as_priority() {
    let good = json!({"interface": "raid", "step": "create", "args": {}, "priority": "42"});

    let steps = RequestedStep::read(StepKind::Deploy, &[good]).unwrap();

    assert_eq!(steps[0].priority, Some(42));
}

#[test]
fn a_malformed_step_is_refused_with_its_place_and_member() {
    let read = |kind, step: Value| {
        let good = json!({"interface": "raid", "step": "x", "args": {}, "priority": 1});
        let first = if kind == StepKind::Deploy { good } else { json!({"interface": "raid", "step": "x"}) };
        RequestedStep::read(kind, &[first, step]).unwrap_err().to_string()
    };
    let (clean, deploy) = (StepKind::Clean, StepKind::Deploy);
    let refusals = [
        read(clean, json!(1)),
        read(clean, json!({"step": "x"})),
        read(clean, json!({"interface": "raid"})),
        read(clean, json!({"interface": "raid", "step": ""})),
        read(clean, json!({"interface": "disk", "step": "x"})),
        read(clean, json!({"interface": "network", "step": "x"})),
        read(clean, json!({"interface": "raid", "step": "x", "priority": 1})),
        read(clean, json!({"interface": "raid", "step": "x", "args": []})),
        read(clean, json!({"interface": "raid", "step": "x", "order": -1})),
        read(StepKind::Service, json!({"interface": "network", "step": "x"})),
        read(deploy, json!({"interface": "raid", "step": "x", "args": {}})),
        read(deploy, json!({"interface": "raid", "step": "x", "priority": 1})),
        read(deploy, json!({"interface": "raid", "step": "x", "args": null, "priority": 1})),
        read(deploy, json!({"interface": "raid", "step": "x", "args": {}, "priority": -1})),
        read(deploy, json!({"interface": "raid", "step": "x", "args": {}, "priority": "a"})),
        read(deploy, json!({"interface": "raid", "step": "x", "args": {}, "priority": 1, "order": 1})),
    ];

    assert!(refusals.iter().all(|text| text.contains(" step 2: ")), "{refusals:#?}");
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn steps_follow_the_order_they_name() {
    let with = |name: &str, order| RequestedStep { order, ..requested(name) };
    let given =
        vec![with("raid.c", Some(3)), with("raid.d", None), with("raid.a", Some(1)), with("raid.b", Some(2))];

    let sorted: Vec<_> = in_order(given).iter().map(|step| step.step.clone()).collect();

    assert_eq!(sorted, ["a", "b", "c", "d"]);
}

#[test]
fn steps_without_order_stay_as_given() {
    let given = vec![requested("raid.b"), requested("bios.a")];

    assert_eq!(in_order(given.clone()), given);
}

#[test]
fn priority_and_abortable_of_clean_and_service_steps_are_the_driver_s() {
    let known = [Step { abortable: true, requires_ramdisk: true, ..step("raid.create", 30) }];

    for kind in [StepKind::Clean, StepKind::Service] {
        let steps = check(kind, &[requested("raid.create")], &known, Leniency::default()).unwrap();

        assert_eq!(steps, known);
    }
}

#[test]
fn the_priority_of_a_deploy_step_is_the_client_s() {
    let steps = check(StepKind::Deploy, &[deploy("raid.a", 7)], &[step("raid.a", 30)], Leniency::default());

    assert_eq!(steps.unwrap()[0].priority, 7);
}

#[test]
fn every_problem_of_every_step_is_told() {
    let known = [
        with_arguments(step("raid.create", 0), &["!size", "!name", "level"]),
        Step { requires_ramdisk: true, ..step("deploy.erase", 10) },
    ];
    let given = [
        requested("bios.reset"),
        RequestedStep {
            args: arguments(json!({"size": 1, "colour": 2, "taste": 3})),
            ..requested("raid.create")
        },
        requested("deploy.erase"),
    ];

    let leniency = Leniency { unknown_allowed: false, ramdisk_disabled: true };

    insta::assert_snapshot!(problems(StepKind::Clean, &given, &known, leniency), @"node does not support this clean step: bios.reset; clean step raid.create has these unexpected arguments: colour, taste; clean step raid.create is missing these required arguments: name (the name); clean step deploy.erase requires the ramdisk, which is disabled");
}

#[test]
fn unknown_steps_are_passed_over_when_the_agent_may_know_them() {
    let leniency = Leniency { unknown_allowed: true, ramdisk_disabled: false };

    let steps = check(
        StepKind::Clean,
        &[requested("bios.reset"), requested("raid.a")],
        &[step("raid.a", 0)],
        leniency,
    );

    assert_eq!(ids(&steps.unwrap()), ["raid.a"]);
}

#[test]
fn a_deploy_step_that_removes_another_needs_no_arguments() {
    let known = [with_arguments(step("raid.create", 0), &["!size"])];

    assert!(check(StepKind::Deploy, &[deploy("raid.create", 0)], &known, Leniency::default()).is_ok());
    assert!(check(StepKind::Deploy, &[deploy("raid.create", 1)], &known, Leniency::default()).is_err());
}

#[test]
fn reserved_steps_need_no_driver_and_stay_where_they_are() {
    let given =
        [requested("raid.a"), requested("deploy.hold"), requested("power.reboot"), requested("raid.a")];

    let steps = check(StepKind::Clean, &given, &[step("raid.a", 0)], Leniency::default()).unwrap();

    assert_eq!(ids(&steps), ["raid.a", "deploy.hold", "power.reboot", "raid.a"]);
    assert!(steps[1].abortable);
}

#[test]
fn steps_for_children_need_no_driver_of_the_parent() {
    let given = [RequestedStep { execute_on_child_nodes: true, ..requested("bios.reset") }];

    let steps = check(StepKind::Clean, &given, &[], Leniency::default()).unwrap();

    assert!(steps[0].execute_on_child_nodes);
}

#[test]
fn what_a_reserved_step_does_not_take_is_refused() {
    let wait = |args: Value| RequestedStep { args: arguments(args), ..requested("deploy.wait") };
    let on_children = |name: &str| RequestedStep { execute_on_child_nodes: true, ..requested(name) };
    let one = |step: RequestedStep| problems(StepKind::Clean, &[step], &[], Leniency::default());
    let refusals = [
        one(wait(json!({"seconds": 0}))),
        one(wait(json!({"seconds": -1}))),
        one(wait(json!({"seconds": "5"}))),
        one(wait(json!({"minutes": 5}))),
        one(RequestedStep { args: arguments(json!({"seconds": 5})), ..requested("deploy.hold") }),
        one(on_children("deploy.hold")),
        one(on_children("deploy.wait")),
        one(RequestedStep {
            limit_child_node_execution: vec!["n1".to_owned()],
            ..on_children("power.power_on")
        }),
    ];

    insta::assert_snapshot!(refusals.join("\n"), @r#"
    clean step deploy.wait: seconds is 0, expected a positive integer
    clean step deploy.wait: seconds is -1, expected a positive integer
    clean step deploy.wait: seconds is "5", expected a positive integer
    clean step deploy.wait has these unexpected arguments: minutes
    clean step deploy.hold has these unexpected arguments: seconds
    clean step deploy.hold can not be run on child nodes
    clean step deploy.wait can not be run on child nodes
    clean step power.power_on: `n1` is not the UUID of a child node
    "#);
    assert!(check(StepKind::Clean, &[wait(json!({"seconds": 5}))], &[], Leniency::default()).is_ok());
}

#[test]
fn a_given_deploy_step_replaces_the_driver_s_and_0_removes_it() {
    let driver = [step("deploy.deploy", 100), step("raid.a", 50), step("bios.b", 40)];
    let given = [step("raid.a", 10), step("bios.b", 0), step("management.c", 60)];

    let steps = deploy_steps(&driver, &given);

    assert_eq!(ids(&steps), ["deploy.deploy", "management.c", "raid.a"]);
}

#[test]
fn the_core_step_can_be_switched_off_but_not_changed() {
    assert!(check_deploy_source(&[deploy("deploy.deploy", 0)]).is_ok());

    let error = check_deploy_source(&[deploy("deploy.deploy", 5)]).unwrap_err();

    assert_eq!(
        error.to_string(),
        "deploy step deploy.deploy is the core step: it can be disabled with priority 0, but not overridden"
    );
}

#[test]
fn a_source_gives_no_deploy_step_twice_but_reserved_ones() {
    let twice = [deploy("raid.a", 1), deploy("raid.a", 2)];
    let holds = [deploy("deploy.hold", 1), deploy("deploy.hold", 2)];

    let error = check_deploy_source(&twice).unwrap_err();

    assert_eq!(error.to_string(), "deploy step raid.a is given more than once");
    assert!(check_deploy_source(&holds).is_ok());
}

#[test]
fn a_stronger_source_replaces_the_same_step_of_a_weaker_one() {
    let weaker = vec![deploy("raid.a", 1), deploy("raid.b", 2), deploy("deploy.hold", 3)];

    let merged = stronger(weaker, &[deploy("raid.a", 9), deploy("deploy.hold", 8)]);

    let shown: Vec<_> =
        merged.iter().map(|step| format!("{} {}", step.id(), step.priority.unwrap())).collect();
    assert_eq!(shown, ["raid.b 2", "deploy.hold 3", "raid.a 9", "deploy.hold 8"]);
}

proptest! {
    #[test]
    fn sorting_loses_nothing_and_is_stable(priorities in prop::collection::vec(0..4_u32, 0..20)) {
        let mut steps: Vec<_> =
            priorities.iter().enumerate().map(|(index, &priority)| step(&format!("raid.s{index}"), priority)).collect();
        let before = steps.clone();

        sort(StepKind::Clean, &mut steps);

        prop_assert_eq!(steps.len(), before.len());
        for pair in steps.windows(2) {
            let place = |step: &Step| before.iter().position(|other| other == step);
            prop_assert!(pair[0].priority > pair[1].priority
                || (pair[0].priority == pair[1].priority && place(&pair[0]) < place(&pair[1])));
        }
    }

    #[test]
    fn no_text_makes_a_step_panic(text in ".{0,40}") {
        prop_assert_eq!(text.parse::<StepId>().is_ok(), text.parse::<StepId>().map(|id| id.to_string().parse::<StepId>() == Ok(id)).unwrap_or(false));
        drop(text.parse::<StepPriority>());
    }
}
