//! Conductors that die at any moment, again and again.
//!
//! Many nodes are asked for something at once: to be provisioned, switched, changed, created, deleted, as their states
//! allow. At a random moment the daemon is killed as a power cut would. What it leaves must be put in order by its next
//! start or, where two share a database, by the other one:
//!
//! - No node stays locked by the dead.
//! - No node stays where somebody must be at work while nobody is.
//! - What was answered with success is there; what was refused is not; what was not answered is there or not.
//! - No machine is switched more often than its request allows, and none is switched later.
//!
//! `FARRIER_CRASH_KILLS` and `FARRIER_CRASH_SEED` set how often, and repeat a run; `cargo xtask crash` does.

#![expect(clippy::print_stdout, reason = "a run says how it can be repeated, and what happened in it")]

mod check;
mod random;
mod request;
mod world;

use farrier_sim::postgres::Postgres;

use self::random::Random;
use self::world::World;

/// Kills of one test unless somebody says otherwise. The tests of this file are 200 together.
const KILLS_ALONE: usize = 80;
const KILLS_IN_COMPANY: usize = 40;
const _: () = assert!(200 <= 2 * KILLS_ALONE + KILLS_IN_COMPANY);

/// So many kills find nodes in every state of work, because they are aimed where too few were found.
const KILLS_EVERYWHERE: usize = KILLS_IN_COMPANY;

/// How many kills, and with what luck.
struct Plan {
    kills: usize,
    seed: u64,
}

impl Plan {
    fn of(kills: usize) -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let kills = number("FARRIER_CRASH_KILLS").map_or(kills, |kills: u64| usize::try_from(kills).unwrap());
        Self { kills, seed: number("FARRIER_CRASH_SEED").unwrap_or_else(random::seed) }
    }
}

/// Kills the daemon of `world` as planned. What fails says with which seed.
fn survive(plan: &Plan, mut world: World) {
    println!("{} kills, FARRIER_CRASH_SEED={}", plan.kills, plan.seed);
    let mut random = Random::new(plan.seed);
    for kill in 1..=plan.kills {
        world.at = format!("kill {kill} of FARRIER_CRASH_SEED={}", plan.seed);
        world.round(&mut random);
    }
    println!("{}", world.tally);
    assert_eq!(world.tally.kills, plan.kills);
    let mut missing = world.tally.missing();
    if KILLS_EVERYWHERE <= plan.kills {
        missing.extend(world.tally.never_caught_in().into_iter().map(|state| format!("a kill in {state}")));
    }
    assert!(
        missing.is_empty(),
        "too little happened to prove anything, it lacks {missing:?}: {}",
        world.tally
    );
}

#[test]
fn a_conductor_alone_puts_in_order_what_it_left() {
    survive(&Plan::of(KILLS_ALONE), World::alone());
}

#[test]
fn a_conductor_alone_that_cleans_and_waits_puts_in_order_what_it_left() {
    survive(&Plan::of(KILLS_ALONE), World::alone_with_cleaning());
}

#[test]
fn another_conductor_puts_in_order_what_a_dead_one_left() {
    survive(&Plan::of(KILLS_IN_COMPANY), World::in_company(Postgres::start().unwrap()));
}
