//! Shrinking: the smallest history with the same kind of violation.

use std::time::Duration;

use crate::cast::{Plan, Verb};
use crate::model::Violation;

/// The time after which a history is not made smaller any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// The story of a history that went wrong, as small as possible.
pub(crate) fn story(seed: u64, wrong: &[Violation]) -> String {
    let plan = crate::plan_of(seed);
    let smallest = shrunk(plan, wrong[0].kind);
    let (again, story) = crate::lived(&smallest);
    let found = if again.is_empty() { wrong } else { &again };
    let found = found.iter().map(|one| format!("{}\n", one.line()));
    format!(
        "{}{}\n{}\n{}\nThe same again: ZPA_BULK_SEED={seed} ZPA_BULK_WORLDS=1 cargo test --test world",
        found.collect::<String>(),
        smallest.text(),
        settings(&smallest).join("\n"),
        story.join("\n")
    )
}

fn settings(plan: &Plan) -> Vec<String> {
    let process = |(number, process)| format!("process {number}: {process:?}");
    let processes = plan.processes.iter().enumerate().map(process);
    let acts = plan.acts.iter().map(|act| format!("by hand: {act:?}"));
    let clock = plan.clock.iter().map(|step| format!("clock: {step:?}"));
    let reads = [format!("updates read: {}", plan.update_reads)];
    processes.chain(acts).chain(clock).chain(reads).collect()
}

/// Takes parts of a plan away as long as the same kind of violation remains.
fn shrunk(mut plan: Plan, kind: &'static str) -> Plan {
    let began = std::time::Instant::now();
    let remains = |plan: &Plan| {
        let (wrong, _) = crate::lived(plan);
        wrong.iter().any(|one| one.kind == kind)
    };
    loop {
        let smaller = smaller(&plan).into_iter();
        let mut smaller = smaller.take_while(|_| began.elapsed() < PATIENCE);
        match smaller.find(remains) {
            Some(found) => plan = found,
            None => return plan,
        }
    }
}

/// The plans with one part less, the largest parts first.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    without_each(plan, &mut smaller, |plan| &mut plan.clock);
    without_each(plan, &mut smaller, |plan| &mut plan.acts);
    without_each(plan, &mut smaller, |plan| &mut plan.faults);
    // A resume or an undo needs a process, even one that has nothing left to do.
    for number in 0..plan.processes.len() {
        without_each(plan, &mut smaller, |plan| &mut plan.processes[number].steps);
    }
    for number in 0..plan.processes.len() {
        smaller_steps(plan, number, &mut smaller);
    }
    smaller
}

/// Adds the plans without one element of a list, and the one without any.
fn without_each<T>(plan: &Plan, smaller: &mut Vec<Plan>, list: impl Fn(&mut Plan) -> &mut Vec<T>) {
    let count = list(&mut plan.clone()).len();
    if count > 1 {
        let mut none = plan.clone();
        list(&mut none).clear();
        smaller.push(none);
    }
    for at in (0..count).rev() {
        let mut fewer = plan.clone();
        list(&mut fewer).remove(at);
        smaller.push(fewer);
    }
}

/// Adds the plans in which a step of a process has no kill, or one row less.
fn smaller_steps(plan: &Plan, process: usize, smaller: &mut Vec<Plan>) {
    for at in 0..plan.processes[process].steps.len() {
        let step = &plan.processes[process].steps[at];
        if step.killed.is_some() {
            let mut alive = plan.clone();
            alive.processes[process].steps[at].killed = None;
            smaller.push(alive);
        }
        let Verb::Apply { rows, .. } = &step.verb else {
            continue;
        };
        for row in (0..rows.len()).filter(|_| rows.len() > 1) {
            let mut fewer = plan.clone();
            if let Verb::Apply { rows, .. } = &mut fewer.processes[process].steps[at].verb {
                rows.remove(row);
            }
            smaller.push(fewer);
        }
    }
}
