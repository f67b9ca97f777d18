//! Which test proves which row of the driver's contract: machines that deviate, bad input, and the tests that must be.
//!
//! The tables are data, so that a row whose test is gone or renamed is found by [`every_row_has_its_tests`].

/// A row: what it is about, and the tests that prove it.
type Row = (&'static str, &'static [&'static str]);

/// Machines that deviate from the protocol.
#[rustfmt::skip]
const QUIRKS: &[Row] = &[
    ("boards and pyghmi's BMCs without ASF pong: never pinged", &[
        "nobody_is_pinged_and_no_pong_is_needed",
    ]),
    ("OpenBMC: level 0 granted, tag 0, unauthenticated replies, parameter 3 refused, silent at power changes, old suite", &[
        "openbmc_is_reached_switched_and_told_what_to_boot", "tag_zero_is_taken_and_unauthenticated_answers_are_not",
        "a_bmc_that_cannot_keep_flags_takes_the_device_all_the_same", "a_bmc_with_the_older_suite_alone_is_reached",
        "answers_with_tag_zero_are_taken",
    ]),
    ("pyghmi, virtualbmc: suite 3 whatever was asked, silence for wrong users, no sensors, forgotten flags", &[
        "a_bmc_that_always_picks_suite_three_gets_it_and_is_remembered", "silence_for_a_wrong_user_says_what_is_probably_wrong",
        "a_network_that_loses_does_not_kill_a_bmc_that_dies_of_early_farewells", "forgotten_flags_leave_the_device",
        "a_login_that_is_renamed_while_its_answer_was_late_is_not_a_wrong_password",
        "its_machine_is_switched_and_told_what_to_boot", "wrong_users_and_passwords_are_errors_that_say_so",
    ]),
    ("ipmi_sim: no suite 17, no list of suites, repeated RAKP ignored, no whole-record reads", &[
        "power_changes_and_others_see_it", "the_boot_device_is_set_and_read", "commands_of_ipmi_rs_run_as_they_are",
        "more_logins_than_the_bmc_has_slots_leave_none_taken",
    ]),
    ("Cisco UCS: four sessions; the privilege command fails in the better suite", &[
        "four_sessions_are_enough_and_always_given_back",
        "a_privilege_command_that_fails_in_the_better_suite_leads_to_the_other",
        "a_privilege_command_that_fails_in_every_suite_is_an_error_with_its_code",
    ]),
    ("Supermicro: UEFI disk 24h, reset while off, D5h when off, bad checksums, long key exchange codes, FFh for BIOS", &[
        "supermicro_is_survived_with_its_checksums_and_long_codes", "supermicro_boots_its_disk_by_its_own_selector",
        "a_reset_of_a_machine_that_is_off_is_a_start", "supermicro_is_known_by_all_its_names",
        "supermicro_that_wants_all_boot_flags_for_its_setup_gets_them_and_others_an_error",
    ]),
    ("Dell: D5h for what changes nothing, whole-record reads time out, swallowed resets, strict lock-out", &[
        "dell_refuses_what_changes_nothing_and_that_is_success", "records_come_in_pieces_as_small_as_the_bmc_likes",
        "a_reset_that_is_swallowed_leaves_no_session", "refused_credentials_rest_longer_each_time",
    ]),
    ("HPE iLO: IPMI off by default, numbers in discrete sensors", &[
        "a_bmc_with_ipmi_switched_off_is_an_error_that_suggests_it", "a_number_in_a_discrete_sensor_is_read",
    ]),
    ("Lenovo XCC: suite 17 alone", &["lenovo_takes_the_better_suite_alone"]),
    ("Fujitsu iRMC: IPMI off by default", &["a_bmc_with_ipmi_switched_off_is_an_error_that_suggests_it"]),
    ("Asus, Intel: wrong capabilities and K_g status", &["wrong_capabilities_are_never_asked_for"]),
    ("Tyan: session ID 0", &["session_id_zero_is_refused"]),
    ("serial consoles: sizes, ports byte-swapped, a status command that fails", &[
        "strange_sizes_and_ports_are_survived_and_slow_machines_too", "sizes_that_make_no_sense_are_replaced",
    ]),
    ("any: K_g of zeros, a password of 16 bytes in a field of 20", &[
        "a_key_of_zeros_is_none_and_a_password_of_sixteen_may_sit_in_a_longer_field",
    ]),
    ("any: user lookup by level, other padding, short refusals, lists of suites in parts", &[
        "users_looked_up_by_level_are_found_at_their_own", "padding_may_be_filled_with_anything_and_refusals_be_short",
        "short_refusals_say_what_long_ones_do", "a_long_list_of_suites_is_read_to_its_end",
    ]),
    // next quirk above this line
];

/// Bad input, and what comes of it.
#[rustfmt::skip]
const BAD_INPUT: &[Row] = &[
    ("driver_info violations: an error, no traffic", &[
        "everything_that_is_wrong_is_said_at_once", "user_names_too_long_are_refused_and_never_cut",
        "validation_finds_what_is_wrong_without_asking_the_bmc", "only_good_cipher_suites_can_be_pinned",
    ]),
    ("a host name that does not resolve", &["a_name_without_address_is_an_error_that_names_it"]),
    ("a closed port", &["a_closed_port_is_tried_again_at_a_pace_and_reported"]),
    ("no answer at all: four logins", &["no_answer_at_all_is_given_up_after_four_logins"]),
    ("silence after RAKP 1 or 3", &[
        "silence_after_rakp_1_is_reported_as_a_failed_login", "silence_after_rakp_3_is_reported_as_a_failed_login",
    ]),
    ("a wrong password: never more than two logins", &[
        "a_wrong_password_is_tried_twice_at_most", "a_password_the_bmc_refuses_is_tried_twice_at_most",
    ]),
    ("an unknown user, a level not allowed: one attempt", &[
        "an_unknown_user_is_tried_once", "a_level_that_is_refused_at_login_is_tried_once",
        "a_role_that_no_suite_allows_is_an_error_of_the_level", "a_level_the_user_has_not_is_an_error",
        "a_proven_user_is_not_believed_gone_at_the_first_refusal",
    ]),
    ("a wrong K_g: never more than two logins", &["a_wrong_bmc_key_is_tried_twice_at_most"]),
    ("no common suite", &["no_common_suite_is_an_error_that_names_what_was_tried"]),
    ("a reply that names another suite", &["a_downgrade_leads_to_the_next_suite_and_never_into_a_session"]),
    ("slots exhausted", &["slots_that_stay_taken_are_an_error", "taken_slots_are_waited_for"]),
    ("garbage, truncated, foreign, corrupted, repeated, reordered, stale datagrams", &[
        "junk_before_every_answer_is_counted_and_ignored", "answers_that_are_no_answers_are_counted_by_reason_and_ignored",
        "answers_from_another_address_are_never_seen", "answers_outside_of_the_protection_are_ignored",
        "a_repeated_answer_answers_nothing_else", "no_state_of_another_bmc_is_wrong_over_a_bad_network",
    ]),
    ("a datagram over 1,024 bytes", &["an_oversized_datagram_is_ignored"]),
    ("good auth code, bad decryption, three times", &["three_undecipherable_answers_lead_to_a_new_session"]),
    ("a short body", &["a_short_body_is_malformed_and_not_asked_for_again"]),
    ("a retryable completion code", &["a_busy_bmc_is_asked_again", "a_bmc_that_stays_busy_is_an_error_with_its_code"]),
    ("another completion code", &["another_completion_code_is_an_error_at_once"]),
    ("D4h", &["a_lost_privilege_is_asked_for_again_once", "a_level_too_low_for_a_command_is_an_error"]),
    ("D5h on power", &[
        "a_machine_that_got_there_by_itself_is_no_error", "dell_refuses_what_changes_nothing_and_that_is_success",
    ]),
    ("a BMC that restarts in the middle", &[
        "a_bmc_that_restarts_is_logged_in_to_again", "what_must_not_be_repeated_is_sent_once_and_its_outcome_unknown",
        "a_reset_is_repeated_in_its_own_session_only",
    ]),
    ("an order that is accepted and not carried out", &["a_machine_that_does_not_move_is_a_timeout_that_says_so"]),
    ("an unknown boot selector", &["flags_that_do_not_count_are_no_device"]),
    ("sensor records: loops, huge counts, names without length, foreign owners", &[
        "records_that_never_end_are_read_once", "records_without_number_are_bounded",
        "every_kind_of_record_name_and_number_is_read", "sensors_without_a_reading_are_left_out_and_do_not_matter",
    ]),
    ("junk for send_raw", &["junk_is_refused_before_any_traffic", "junk_is_refused_with_the_reason"]),
    ("any bytes into any parser", &[
        "no_datagram_breaks_what_takes_it_apart", "no_datagram_makes_a_session_but_the_right_one",
        "no_datagram_enters_a_session_it_was_not_made_for", "no_authentic_payload_breaks_what_reads_it",
        "no_answer_breaks_the_command_it_answers", "no_record_breaks_its_reader_and_no_value_is_not_a_number",
    ]),
    // next kind of input above this line
];

/// What must be tested of the driver.
#[rustfmt::skip]
const REQUIRED: &[Row] = &[
    ("1: published vectors", &[
        "proofs_and_keys_are_those_others_compute", "a_bmc_key_changes_the_session_key",
        "a_sealed_request_is_the_one_others_make",
    ]),
    ("2: round trips; another client reads back what we set", &[
        "power_changes_and_others_see_it", "its_machine_is_switched_and_told_what_to_boot",
        "another_client_reads_what_was_set", "what_another_client_sets_is_read", "other_clients_read_the_same_values",
    ]),
    ("3: each row of the two tables above", &["every_row_has_its_tests"]),
    ("4: each datagram lost, doubled, late, corrupted, truncated, in both directions", &[
        "any_datagram_lost_doubled_late_or_overtaken_changes_nothing", "any_datagram_cut_anywhere_changes_nothing",
        "any_byte_of_any_datagram_damaged_changes_nothing",
    ]),
    ("5: 10,000 toggles and reads under loss, duplicates and reordering", &[
        "ten_thousand_toggles_and_reads_over_a_bad_network_show_no_wrong_state",
    ]),
    ("6: 1,000 logins leave no session, nor does a dropped driver", &[
        "a_thousand_logins_leave_no_session", "a_driver_that_is_dropped_anywhere_in_a_command_leaves_no_session",
        "dropping_the_transport_closes_its_session", "closing_the_transport_waits_for_its_sessions",
    ]),
    ("7: all parsers fuzzed", &[
        "no_datagram_breaks_what_takes_it_apart", "no_record_breaks_its_reader_and_no_value_is_not_a_number",
    ]),
    ("8: secrets searched in logs, arguments, environment and files", &[
        "no_secret_of_a_bmc_is_in_logs_answers_arguments_environments_or_files",
    ]),
    ("9: 1,000 BMCs, 100 of them dead", &[
        "a_hundred_dead_bmcs_do_not_delay_nine_hundred_live_ones",
        "a_hundred_of_a_thousand_bmcs_die_and_nobody_else_waits_for_them",
    ]),
    ("10: two tasks on one BMC never interleave; the intervals hold", &[
        "two_callers_of_one_bmc_never_have_a_command_each_on_its_way", "commands_of_one_caller_stay_in_order",
        "messages_in_a_session_are_held_apart", "logins_to_one_bmc_are_held_apart",
    ]),
    ("11: a real machine, with its console", &[
        "a_machine_is_powered_on_talks_is_reset_and_shuts_itself_down", "a_machine_is_rebooted_and_cut_off",
    ]),
    // next test that must be above this line
];

/// Where tests of the driver are.
const SOURCES: [&str; 3] = ["src", "tests/it", "../../tests/e2e/tests/it"];

/// Names of all functions below a directory that are tests.
fn tests_below(directory: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
                if is_test {
                    found.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
                }
                is_test = false;
            }
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        }
    }
}

#[test]
fn every_row_has_its_tests() {
    let mut found = Vec::new();
    for source in SOURCES {
        tests_below(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(source), &mut found);
    }

    for (row, tests) in QUIRKS.iter().chain(BAD_INPUT).chain(REQUIRED) {
        assert!(!tests.is_empty(), "{row} has no test");
        for test in *tests {
            assert!(found.iter().any(|name| name == test), "{row}: there is no test `{test}`");
        }
    }
}
