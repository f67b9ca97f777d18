//! What was aimed at, and what came of it.

use std::time::Duration;

/// Rows of the last table.
#[derive(Debug, Default)]
pub(crate) struct Targets(Vec<Row>);

#[derive(Debug)]
struct Row {
    what: String,
    target: String,
    measured: String,
    met: bool,
}

/// A time as a part of another one.
pub(crate) fn share(time: Duration, of: Duration) -> String {
    if time.is_zero() {
        return "too little to be counted".to_owned();
    }
    let times = of.as_secs_f64() / time.as_secs_f64();
    if times < 10.0 { format!("1/{times:.1}") } else { format!("1/{times:.0}") }
}

impl Targets {
    /// To be at most a part of what `ipmitool` needs.
    pub(crate) fn ratio(&mut self, what: &str, target: f64, tool: Duration, measured: Duration) {
        self.0.push(Row {
            what: what.to_owned(),
            target: format!("1/{target} of `ipmitool`"),
            measured: share(measured, tool),
            met: target <= tool.as_secs_f64() / measured.as_secs_f64(),
        });
    }

    /// To be at most so much.
    pub(crate) fn most(&mut self, what: &str, target: f64, measured: f64, unit: &str) {
        let number =
            |number: f64| if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") };
        self.0.push(Row {
            what: what.to_owned(),
            target: format!("at most {}{unit}", number(target)),
            measured: format!("{}{unit}", number(measured)),
            met: measured <= target,
        });
    }

    /// To be at least so much.
    pub(crate) fn least(&mut self, what: &str, target: f64, measured: f64) {
        self.0.push(Row {
            what: what.to_owned(),
            target: format!("at least {target:.0}"),
            measured: format!("{measured:.0}"),
            met: target <= measured,
        });
    }

    pub(crate) fn print(&self) {
        println!("\n| what | target | measured | met |\n|---|---|---|---|");
        for Row { what, target, measured, met } in &self.0 {
            println!("| {what} | {target} | {measured} | {} |", if *met { "yes" } else { "no" });
        }
    }
}
