//! The rows S1 to S7 of states.md use toy states there; here real ones play their parts: `manageable` the stable
//! state, `deploying` the one that is not, `verifying` the one that leads to `manageable` by `done`.

use proptest::prelude::*;

use super::super::*;
use super::*;

#[test]
fn row_s1_a_stable_state_is_stable() {
    assert!(Manageable.is_stable());
}

#[test]
fn row_s2_a_passing_state_is_not_stable() {
    assert!(!Deploying.is_stable());
}

#[test]
fn row_s3_an_unknown_state_is_an_invalid_state() {
    let error = "foo".parse::<ProvisionState>().map_err(InvalidState::from).unwrap_err();

    assert_eq!(error.to_string(), "provision state `foo` does not exist");
}

#[test]
fn row_s4_every_default_target_is_stable() {
    for state in ProvisionState::ALL {
        if let Some(target) = state.default_target() {
            assert!(target.is_stable(), "{state} goes to {target}");
        }
    }
}

#[test]
fn row_s5_a_target_must_be_stable() {
    assert_eq!(stable(Manageable), Ok(Manageable));

    let error = stable(Deploying).unwrap_err();

    assert_eq!(error.to_string(), "target state `deploying` is not a 'stable' state");
}

#[test]
fn row_s6_a_machine_starts_with_its_own_or_the_default_target() {
    assert_eq!(Machine::new(Manageable, None).unwrap().target(), None);
    assert_eq!(Machine::new(Verifying, None).unwrap().target(), Some(Manageable));
    assert_eq!(Machine::new(Verifying, Some(Active)).unwrap().target(), Some(Active));
    assert_eq!(Machine::new(Verifying, Some(Deploying)), Err(InvalidState::UnstableTarget(Deploying)));
}

#[test]
fn row_s7_a_move_to_the_target_clears_it_unless_another_is_given() {
    let mut machine = Machine::new(Verifying, None).unwrap();
    machine.process_event(Done, None).unwrap();
    assert_eq!((machine.current(), machine.target()), (Manageable, None));

    let mut machine = Machine::new(Verifying, None).unwrap();
    machine.process_event(Done, Some(Active)).unwrap();
    assert_eq!((machine.current(), machine.target()), (Manageable, Some(Active)));

    let mut machine = Machine::new(Verifying, None).unwrap();
    let error = machine.process_event(Done, Some(Deploying)).unwrap_err();
    assert_eq!(error, InvalidState::UnstableTarget(Deploying));
    assert_eq!((machine.current(), machine.target()), (Verifying, Some(Manageable)));
}

#[test]
fn a_refused_event_moves_nothing_and_says_so() {
    let mut machine = Machine::new(Enroll, None).unwrap();

    let error = machine.process_event(Deploy, None).unwrap_err();

    assert_eq!(
        error.to_string(),
        "Can not transition from state 'enroll' on event 'deploy' (no defined transition)"
    );
    assert_eq!(machine, Machine::new(Enroll, None).unwrap());
}

#[test]
fn a_target_survives_states_that_have_none_of_their_own() {
    let mut machine = Machine::new(Verifying, None).unwrap();

    machine.process_event(Fail, None).unwrap();

    assert_eq!((machine.current(), machine.target()), (Enroll, Some(Manageable)));
}

#[test]
fn the_default_target_of_the_new_state_replaces_the_old_target() {
    let mut machine = Machine::new(Deleting, None).unwrap();

    machine.process_event(Clean, Some(Manageable)).unwrap();
    machine.process_event(Wait, None).unwrap();

    assert_eq!((machine.current(), machine.target()), (CleanWait, Some(Available)));
}

#[test]
fn the_table_has_93_rows_and_no_pair_twice() {
    assert_eq!(TRANSITIONS.len(), 93);
    for (index, (from, event, _)) in TRANSITIONS.iter().enumerate() {
        let again =
            TRANSITIONS.iter().skip(index + 1).any(|(state, cause, _)| state == from && cause == event);
        assert!(!again, "`{from}` on `{event}` is in the table twice");
    }
}

#[test]
fn every_row_of_the_table_is_what_the_machine_does() {
    for &(from, event, to) in TRANSITIONS {
        let mut machine = Machine::new(from, None).unwrap();
        assert!(machine.is_actionable_event(event));

        machine.process_event(event, None).unwrap();

        assert_eq!(machine.current(), to);
        if to.default_target().is_some() {
            assert_eq!(machine.target(), to.default_target(), "`{from}` on `{event}`");
        }
    }
}

#[test]
fn what_is_not_in_the_table_is_refused() {
    let mut refused = 0;
    for from in ProvisionState::ALL {
        for event in Event::ALL {
            if !TRANSITIONS.iter().any(|&(state, cause, _)| state == from && cause == event) {
                assert_eq!(next(from, event), Err(InvalidTransition { from, event }));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 30 * 18 - 93);
}

#[test]
fn every_state_can_be_reached_from_enroll() {
    let mut reached = vec![Enroll];
    let mut index = 0;
    while let Some(&state) = reached.get(index) {
        for event in events(state) {
            let to = next(state, event).unwrap();
            if !reached.contains(&to) {
                reached.push(to);
            }
        }
        index += 1;
    }

    assert_eq!(reached.len(), ProvisionState::ALL.len());
}

#[test]
fn every_state_can_be_left() {
    for state in ProvisionState::ALL {
        assert!(events(state).next().is_some(), "{state}");
    }
}

#[test]
fn every_state_that_does_not_survive_a_crash_can_fail() {
    for &state in STUCK_TREATED_AS_FAIL {
        assert!(next(state, Fail).is_ok(), "{state}");
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_passing_state_has_a_stable_target(
        events in prop::collection::vec(prop::sample::select(Event::ALL.as_slice()), 0..64),
        explicit in prop::option::of(prop::sample::select(STABLE)),
    ) {
        let mut machine = Machine::new(Enroll, None).unwrap();
        for event in events {
            let before = machine;
            if machine.process_event(event, explicit).is_err() {
                prop_assert_eq!(machine, before);
            }
            if !machine.current().is_stable() {
                prop_assert!(machine.target().is_some_and(ProvisionState::is_stable));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_path_leaves_the_table(
        start in prop::sample::select(ProvisionState::ALL.as_slice()),
        begin in prop::option::of(prop::sample::select(ProvisionState::ALL.as_slice())),
        moves in prop::collection::vec(
            (
                prop::sample::select(Event::ALL.as_slice()),
                prop::option::of(prop::sample::select(ProvisionState::ALL.as_slice())),
            ),
            0..64,
        ),
    ) {
        let machine = Machine::new(start, begin);
        prop_assert_eq!(machine.is_ok(), begin.is_none_or(ProvisionState::is_stable));
        let Ok(mut machine) = machine else { return Ok(()) };
        for (event, target) in moves {
            let before = machine;
            let row = TRANSITIONS.iter().find(|row| row.0 == before.current() && row.1 == event);

            let moved = machine.process_event(event, target);

            let legal = row.is_some() && target.is_none_or(ProvisionState::is_stable);
            prop_assert_eq!(moved.is_ok(), legal);
            if legal {
                prop_assert_eq!(Some(machine.current()), row.map(|row| row.2));
                prop_assert!(machine.target().is_none_or(ProvisionState::is_stable));
                prop_assert!(target.is_none() || machine.target() == target);
            } else {
                prop_assert_eq!(machine, before);
            }
        }
    }
}
