use super::*;

fn report(outcomes: &[(&str, Outcome)]) -> Report {
    let checks: Vec<Entry> = outcomes
        .iter()
        .map(|(id, outcome)| {
            let check = Check::find(id).unwrap();
            let why = if *outcome == Outcome::Skipped { Why::NotRun } else { Why::Said };
            let reason = if *outcome == Outcome::Passed { "" } else { "because of <this> & \"that\"" };
            Entry::new(check, *outcome, why, reason.to_owned())
        })
        .collect();
    Report {
        schema: SCHEMA,
        kit: "0.1.0".to_owned(),
        profile: "acme".to_owned(),
        aim: Verdict::Standard,
        verdict: Verdict::of(&checks),
        missing: Verdict::of(&checks).missing(&checks),
        untested: Vec::new(),
        filter: Vec::new(),
        seed: 1,
        plugin: Subject { name: "acme".to_owned(), version: "1.0.0".to_owned(), ..Subject::default() },
        target: "memory".to_owned(),
        notes: Vec::new(),
        checks,
        signature: None,
    }
}

#[test]
fn a_report_survives_its_json() {
    let report = report(&[("PKG-001", Outcome::Failed), ("LOD-001", Outcome::Skipped)]);

    let read: Report = serde_json::from_str(&report.json().unwrap()).unwrap();

    assert_eq!(read, report);
}

#[test]
fn people_see_failures_first_and_then_what_is_missing() {
    let text = report(&[("PKG-001", Outcome::Passed), ("LOD-001", Outcome::Crashed)]).text();

    let (crashed, verdict) = (text.find("LOD-001 crashed").unwrap(), text.find("level none").unwrap());
    assert!(crashed < verdict, "{text}");
    assert!(text.contains("1 passed, 0 failed, 1 crashed"), "{text}");
    assert!(text.contains("missing for basic:\n    LOD-001"), "{text}");
}

#[test]
fn xml_and_html_are_not_broken_by_what_a_plugin_says() {
    let report =
        report(&[("PKG-001", Outcome::Failed), ("LOD-001", Outcome::TimedOut), ("CON-001", Outcome::Warned)]);

    for text in [report.junit(), report.html()] {
        assert!(!text.contains("<this>"), "{text}");
        assert!(text.contains("&lt;this&gt; &amp; &quot;that&quot;"), "{text}");
    }
    let junit = report.junit();
    assert!(
        junit.contains(
            "<testsuite name=\"PKG package\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\">"
        )
    );
    assert!(junit.contains("<error message=\"timed out: "), "{junit}");
}

#[test]
fn a_part_of_the_checks_is_good_when_none_failed_and_is_no_certificate() {
    let mut part = report(&[("POW-001", Outcome::Skipped)]);
    assert!(!part.is_good());

    part.filter = vec!["POW".to_owned()];

    assert!(part.is_good());
    assert!(part.text().contains("no level: only POW was looked at"), "{}", part.text());
}

#[test]
fn a_comparison_tells_what_got_worse() {
    let before =
        report(&[("PKG-001", Outcome::Passed), ("LOD-001", Outcome::Failed), ("CON-001", Outcome::Passed)]);
    let now =
        report(&[("PKG-001", Outcome::Failed), ("LOD-001", Outcome::Passed), ("CON-002", Outcome::Passed)]);

    let changes = diff(&before, &now);

    let shown: Vec<(String, bool)> =
        changes.iter().map(|change| (change.to_string(), change.is_worse())).collect();
    assert_eq!(shown[0], ("PKG-001: passed -> failed: because of <this> & \"that\"".to_owned(), true));
    assert_eq!(shown[1], ("LOD-001: failed -> passed".to_owned(), false));
    assert_eq!(shown[2], ("CON-002: absent -> passed".to_owned(), false));
    assert_eq!(shown[3], ("CON-001: passed -> absent".to_owned(), false));
}
