//! Which test looks at which row of the specification's tables of errors and of bad input.

use std::fs;
use std::path::Path;

/// Rows of the table of errors, in its order.
#[rustfmt::skip]
const ERRORS: &[(&str, &[&str])] = &[
    ("bad driver_info or argument",       &["bad_values_are_invalid_and_an_empty_address_is_missing", "bad_arguments_are_refused_before_anything_is_sent"]),
    ("cannot connect, timeout, TLS",      &["an_unreachable_bmc_is_named_with_what_was_tried", "a_silent_bmc_ends_within_the_configured_time", "an_unknown_certificate_is_refused_at_once_with_the_reason"]),
    ("401, login refused",                &["row_e03_refused_credentials_are_remembered_with_the_time_that_is_left"]),
    ("session limit",                     &["row_e04_a_bmc_without_a_free_session_is_busy"]),
    ("403",                               &["row_e05_a_denied_request_is_not_tried_again"]),
    ("404 of the System",                 &["row_e06_a_missing_system_is_named"]),
    ("optional part missing, 405, 501",   &["row_e07_what_a_bmc_does_not_have_is_unsupported"]),
    ("400, value not allowed",            &["row_e08_a_bad_request_says_what_the_bmc_says"]),
    ("409",                               &["row_e09_a_conflict_may_pass", "a_refusal_because_the_machine_is_there_already_is_success"]),
    ("412, 428",                          &["row_e10_refused_tags_end_it"]),
    ("429, 5xx, not ready",               &["row_e11_a_bmc_that_is_not_ready_may_be_later"]),
    ("2xx with a bad body",               &["row_e12_good_answers_with_bad_bodies_are_unexpected"]),
    ("task failed, limit reached",        &["row_e13_a_task_that_fails_or_never_ends_is_an_error", "settings_that_never_come_are_named_when_the_time_is_over"]),
    ("power state not reached",           &["a_state_that_does_not_come_is_a_power_state_failure"]),
    ("insert failed in all devices",      &["when_no_device_takes_the_image_the_first_and_the_last_reason_are_told"]),
    ("image unreachable for the BMC",     &["an_image_that_nobody_serves_is_refused_with_the_emulators_words", "a_device_that_fails_may_still_be_ejecting_and_is_asked_three_times"]),
    ("text without query and credentials", &["row_e15_no_query_stands_in_a_text"]),
];

/// Rows of the table of bad input, in its order.
#[rustfmt::skip]
const BAD_INPUT: &[(&str, &[&str])] = &[
    ("bad addresses",                     &["bad_values_are_invalid_and_an_empty_address_is_missing"]),
    ("odd but good addresses",            &["good_values_are_accepted"]),
    ("System id",                         &["bad_values_are_invalid_and_an_empty_address_is_missing", "system_ids_are_escaped_once"]),
    ("verify_ca",                         &["folders_and_files_without_certificates_are_refused"]),
    ("auth type",                         &["good_values_are_accepted", "everything_that_is_wrong_is_named_at_once"]),
    ("power state, boot device",          &["states_that_nobody_can_ask_for_are_invalid", "a_device_the_machine_does_not_take_is_refused_before_anything_is_sent"]),
    ("virtual media URL",                 &["urls_that_no_bmc_can_fetch_are_refused", "bad_arguments_are_refused_before_anything_is_sent"]),
    ("BIOS settings",                     &["lists_that_make_no_sense_are_refused_before_anything_is_sent"]),
    ("bad answers",                       &["row_b09_nonsense_is_an_error_and_no_other_node_waits_for_it", "row_b09_a_wrong_type_is_absent_and_a_name_twice_is_nonsense"]),
    ("bad links, long lists",             &["row_b10_links_to_nowhere_are_not_followed", "row_b10_a_collection_that_holds_itself_or_too_much_is_cut", "nobody_else_is_asked_whatever_a_bmc_says", "a_fragment_names_a_part", "too_many_members_are_cut"]),
    ("odd headers",                       &["odd_but_readable_answers_are_read", "tokens_may_hold_spaces_but_no_control_characters", "retry_after_is_read_and_capped"]),
];

/// The text of all sources of this crate.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.file_name().is_some_and(|name| name != "rows.rs") {
            text.push_str(&fs::read_to_string(path).unwrap_or_default());
        }
    }
}

#[test]
fn every_row_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    sources(&root.join("tests"), &mut text);

    let tests =
        ERRORS.iter().chain(BAD_INPUT).flat_map(|(row, tests)| tests.iter().map(move |test| (row, test)));
    let missing: Vec<_> = tests.filter(|(_, test)| !text.contains(&format!("fn {test}("))).collect();

    assert!(missing.is_empty(), "{missing:#?}");
}
