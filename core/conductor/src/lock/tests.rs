mod gate;
mod pair;

use super::*;

#[test]
fn waiting_at_the_gate_uses_up_attempts() {
    let second = Duration::from_secs(1);

    assert_eq!(attempts_left(3, Duration::ZERO, second), 3);
    assert_eq!(attempts_left(3, Duration::from_millis(1500), second), 2);
    assert_eq!(attempts_left(3, Duration::from_secs(9), second), 1);
    assert_eq!(attempts_left(3, Duration::from_secs(9), Duration::ZERO), 3);
}

#[test]
fn a_policy_says_how_long_it_takes() {
    let policy = |retry| LockPolicy { retry, attempts: 3, interval: Duration::from_secs(1) };

    assert_eq!(policy(Retry::Configured).patience(), Some(Duration::from_secs(2)));
    assert_eq!(policy(Retry::Never).patience(), Some(Duration::ZERO));
    assert_eq!(policy(Retry::Patient).patience(), None);
}
