//! The manual's page of all options is what the sources say.

use std::fs;

use farrier_e2e::options::{Options, PAGE};

use crate::architecture::root;

#[test]
fn the_page_of_options_is_what_the_sources_say() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();

    let current = Options::find(&root()).unwrap().to_string();

    assert!(page == current, "`cargo xtask docs --pages` writes it anew");
}

#[test]
fn every_table_of_the_configuration_is_on_the_page() {
    let source = fs::read_to_string(root().join("core/server/src/config.rs")).unwrap();
    let names = source.split_once("const OWN_TABLES").unwrap().1.split_once("= [").unwrap().1;
    let names: Vec<&str> = names.split("];").next().unwrap().split('"').skip(1).step_by(2).collect();
    let Options(tables) = Options::find(&root()).unwrap();

    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(tables.iter().any(|table| table.title == format!("`[{name}]`")), "{name}");
    }
}

#[test]
fn every_option_has_a_type_a_default_and_a_meaning() {
    let Options(tables) = Options::find(&root()).unwrap();

    for table in tables {
        for row in table.rows {
            let whole =
                [&row.name, &row.kind, &row.default, &row.meaning].iter().all(|text| !text.is_empty());
            assert!(whole, "{}: {row:?}", table.title);
            // What is left of Rust is no value of the configuration.
            assert!(!row.default.contains("::") && !row.default.contains("()"), "{}: {row:?}", table.title);
        }
    }
}

#[test]
fn the_unit_gives_the_daemon_the_time_it_takes_to_stop() {
    let unit = fs::read_to_string(root().join("docs/src/operate/farrierd.service")).unwrap();
    let lines = unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (sections, settings): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('['));
    let value =
        |key: &str| settings.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    let Options(tables) = Options::find(&root()).unwrap();
    let mut rows = tables.iter().flat_map(|table| &table.rows);
    let graceful = rows.find(|row| row.name == "graceful_shutdown_timeout").unwrap();

    assert_eq!(sections, ["[Unit]", "[Service]", "[Install]"]);
    assert!(settings.iter().all(|line| line.contains('=')), "{settings:?}");
    assert!(value("ExecStart").ends_with("/farrierd"));
    let (given, taken): (u32, u32) =
        (value("TimeoutStopSec").parse().unwrap(), graceful.default.parse().unwrap());
    assert!(taken + 3 * 5 <= given, "{taken} s, and three plugins 5 s each, within {given} s");
}
